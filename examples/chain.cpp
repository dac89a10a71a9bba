// SPDX-License-Identifier: BSL-1.0
// A chain of calls is sent without waiting for answers. After one has failed the later ones do not
// run, and fail the same way: as if each had waited for the one before, in the time of one round
// trip.
// expect: balance after the first chain: 70
// expect: deposit: done
// expect: withdraw: std::runtime_error: not enough money
// expect: deposit: std::runtime_error: not enough money
// expect: balance: 80
// expect: after reset(): 85
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

static int balance = 0; // in the child

static void deposit(int amount) { balance += amount; }
static void withdraw(int amount) {
    if (amount > balance) throw std::runtime_error("not enough money");
    balance -= amount;
}
static int show() { return balance; }

static void report(const char* what, mitogen::result<void> outcome) {
    std::string why = "done";
    if (!outcome)
        why = outcome.error().detail().type + ": " + std::string(outcome.error().message());
    std::printf("%s: %s\n", what, why.c_str());
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::context bank = router.local();
        {
            auto chain = bank.chain();
            // an error of these would show at the first call that has an answer
            chain.call_no_reply<&deposit>(100);
            chain.call_no_reply<&withdraw>(30);
            std::printf("balance after the first chain: %d\n", chain.call<&show>());
        }
        auto chain = bank.chain();
        auto first = chain.call_async<&deposit>(10);
        auto second = chain.call_async<&withdraw>(1000);
        auto third = chain.call_async<&deposit>(1000);
        report("deposit", first.try_get());
        report("withdraw", second.try_get());
        report("deposit", third.try_get());
        std::printf("balance: %d\n", bank.call<&show>());
        chain.reset();
        chain.call<&deposit>(5);
        std::printf("after reset(): %d\n", chain.call<&show>());
    });
}
