// SPDX-License-Identifier: BSL-1.0
// A database session on another machine: opened once, statements and balances go to and fro, and it
// ends with one result.
//
// expect: session on accounts: balance 100
// expect: deposit 50 -> 150
// expect: withdraw 30 -> 120
// expect: committed 120
// expect: refused: not enough money
// expect: balance 120
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

int balance = 100; // of the process that owns the account

struct statement {
    std::string what;
    int amount = 0;
};

/// Opened with an account; receives statements, sends the balance after each, returns what it has
/// committed.
int session(mitogen::dialog<std::string(statement, int)>& peer, std::string account) {
    int now = balance;
    peer.started("session on " + account + ": balance " + std::to_string(now));
    for (const statement& s : peer) {
        now += s.what == "deposit" ? s.amount : -s.amount;
        if (now < 0) throw std::runtime_error("not enough money");
        peer.send(now);
    }
    return balance = now; // the other end has closed: commit
}
int current_balance() { return balance; }

} // namespace

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::context bank = router.local({.name = "bank"});
        auto s = bank.open<&session>("accounts");
        std::puts(s.started().c_str());
        for (const statement& each : {statement{"deposit", 50}, statement{"withdraw", 30}}) {
            s.send(each);
            std::printf("%s %d -> %d\n", each.what.c_str(), each.amount, s.receive());
        }
        s.close();
        std::printf("committed %d\n", s.result());
        try {
            auto other = bank.open<&session>("accounts");
            other.send({"withdraw", 1000});
            std::printf("-> %d\n", other.receive());
        } catch (const mitogen::call_error& e) {
            std::printf("refused: %.*s\n", static_cast<int>(e.message().size()),
                        e.message().data());
        }
        std::printf("balance %d\n", bank.call<&current_balance>());
    });
}
