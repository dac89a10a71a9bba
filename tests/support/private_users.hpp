// SPDX-License-Identifier: BSL-1.0
#pragma once
// private_users.hpp: users with passwords, and rules for sudo, su and doas, that exist only for
// some processes of a test.

#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <string>
#include <system_error>
#include <unistd.h>

namespace support {

/// A directory with a script that enters a mount namespace of its own, where /etc has three users
/// more: mia, who may become anybody, and has to be at a terminal for sudo; ole, who may not; and
/// eva, whom mia may become without a password, and without that sudo stays beside: it becomes the
/// command itself. Their password is `password`, and root's too. Nothing of it is seen outside.
class private_users {
    scratch dir_;

public:
    static constexpr const char* password = "correct horse";

    /// False if this cannot be made here; says so.
    static bool possible() {
        if (::getuid() != 0) {
            WARN("left out: only root can make users");
            return false;
        }
        for (const char* tool : {"/usr/bin/sudo", "/usr/bin/su", "/usr/bin/doas",
                                 "/usr/bin/setpriv", "/usr/bin/unshare"}) {
            if (std::filesystem::exists(tool)) continue;
            WARN("left out: " << tool << " is not installed");
            return false;
        }
        return true;
    }

    private_users() {
        std::filesystem::permissions(dir(), std::filesystem::perms(0755));
        write_script(dir_ / "enter", R"(# enter USER COMMAND ARGUMENT...
set -e
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs none /var/tmp
hash='$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQ'
hash=$hash'DfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0'
grep -v '^root:' /etc/shadow >/mnt/shadow
echo "root:$hash:19000:0:99999:7:::" >>/mnt/shadow
number=4001
for user in mia ole eva; do
    echo "$user:x:$number:$number::/mnt/home/$user:/bin/sh" >>/etc/passwd
    mkdir -p /mnt/home/$user
    chown $number:$number /mnt/home/$user
    echo "$user:x:$number:" >>/etc/group
    echo "$user:$hash:19000:0:99999:7:::" >>/mnt/shadow
    number=$((number + 1))
done
cat /mnt/shadow >/etc/shadow
cat >/etc/sudoers.d/private <<END
Defaults requiretty, timestamp_timeout=0
Defaults>eva !use_pty, !pam_session, !pam_setcred
mia ALL=(ALL) ALL
mia ALL=(eva) NOPASSWD: ALL
END
chmod 440 /etc/sudoers.d/private
[ ! -e "${0%/*}/users.oath" ] || cp "${0%/*}/users.oath" /etc/users.oath
printf 'permit mia\npermit nopass mia as eva\n' >/etc/doas.conf
for tool in sudo su doas sshd; do
    { [ $tool = su ] && echo 'auth sufficient pam_rootok.so'
      echo 'auth required pam_unix.so nodelay'
      [ ! -e "${0%/*}/users.oath" ] ||
        echo 'auth required pam_oath.so usersfile=/etc/users.oath window=5 digits=6'
      echo 'account required pam_unix.so'; } >/etc/pam.d/$tool
done
mount -t tmpfs -o mode=700 none /root
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
user=$1
HOME=/mnt/home/$user
shift
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
)");
    }

    const std::string& dir() const { return dir_.path(); }

    /// From now on whoever enters there finds tools that ask mia for a one-time code as well. The
    /// first three are `codes`, those of RFC 4226, appendix D. False if this cannot be had here;
    /// says so.
    bool ask_for_codes() const {
        const std::filesystem::path libraries[] = {"/lib", "/usr/lib"};
        for (const auto& folder : libraries) {
            std::error_code ignored;
            for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
                if (!std::filesystem::exists(entry.path() / "security" / "pam_oath.so", ignored))
                    continue;
                std::ofstream(dir_ / "users.oath")
                    << "HOTP mia - 3132333435363738393031323334353637383930\n";
                std::filesystem::permissions(dir_ / "users.oath", std::filesystem::perms(0600));
                return true;
            }
        }
        WARN("left out: libpam-oath is not installed");
        return false;
    }
    static constexpr const char* codes[] = {"755224", "287082", "359152"};

    /// A program that anybody may run.
    std::string tool(const std::string& name, const std::string& body) const {
        const std::string path = write_script(dir_ / name, body);
        std::filesystem::permissions(path, std::filesystem::perms(0755));
        return path;
    }

    /// A process of that user in there, by something that calls itself sudo. It finds its tools as
    /// usual.
    mitogen::sudo process_of(const std::string& user) const {
        mitogen::sudo how;
        how.username = user;
        how.name = user;
        how.sudo_path =
            write_script(dir_ / "become_" + user, "while [ \"$1\" != -- ]; do shift; done; shift\n"
                                                   "exec unshare -m sh " +
                                                       dir_ / "enter " + user + " \"$@\"\n");
        return how;
    }
};

/// The processes that live in the same mount namespace as another one; none are left once
/// everything has ended that began there.
class same_namespace {
    std::string home_;

    static std::string home_of(const std::string& pid) {
        std::error_code none;
        return std::filesystem::read_symlink("/proc/" + pid + "/ns/mnt", none).string();
    }

public:
    explicit same_namespace(int pid) : home_(home_of(std::to_string(pid))) {
        REQUIRE(!home_.empty());
        REQUIRE(home_ != home_of("self"));
    }

    /// How many there are. Waits a little until there are no more than expected.
    int left(int expected = 0) const {
        int found = 0;
        soon([&] {
            found = 0;
            std::error_code ignored;
            for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
                const std::string name = entry.path().filename().string();
                if (name.find_first_not_of("0123456789") == std::string::npos &&
                    home_of(name) == home_)
                    ++found;
            }
            return found <= expected;
        });
        return found;
    }
};

} // namespace support
