# SPDX-License-Identifier: BSL-1.0
"""What the checks under tools/ share: where the files are, and C++ text without its comments."""
import os
import pwd
import re
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = (".hpp", ".cpp", ".ipp")

# Comments, and the literals in which something like a comment is none. (A raw string's delimiter is nearly always empty.)
_TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\w])\'(?:\\.|[^\'\\\n])+\'', re.S)


def path(*parts):
    return os.path.join(ROOT, *parts)


def read(name):
    """The text of one file of the tree, named relative to its root."""
    with open(path(name), encoding="utf-8") as file:
        return file.read()


def headers():
    """Every header under include/mitogen, relative to include/, sorted."""
    found = []
    for folder, folders, names in os.walk(path("include", "mitogen")):
        folders.sort()
        found += [os.path.relpath(os.path.join(folder, name), path("include")) for name in names if name.endswith(".hpp")]
    return sorted(found)


def files():
    """Every file that belongs to the tree: what git knows or would add; without git, all but build directories."""
    try:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                check=True, capture_output=True).stdout.decode().split("\0")
        names = [name for name in listed if name and os.path.isfile(path(name))]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, folders, here in os.walk(ROOT):
            folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__", ".cache") and not f.startswith("build-")]
            names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in here]
    return sorted(set(names))


def clean_environment():
    """The environment for a program that a check runs, whatever was inherited: the same as in tests/support/clean_environment.hpp."""
    meant = [name for name in os.environ
             if name.startswith(("MITOGEN_", "LD_", "GCOV_PREFIX")) or name.endswith("SAN_OPTIONS") or name == "LLVM_PROFILE_FILE"]
    me = pwd.getpwuid(os.getuid())
    return {**{name: os.environ[name] for name in meant}, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": me.pw_dir, "USER": me.pw_name, "LOGNAME": me.pw_name, "SHELL": "/bin/sh", "LANG": "C.UTF-8", "TERM": "dumb"}


def run_clean(command, **options):
    """subprocess.run() in that environment, with the usual umask, nothing to read, and no signal ignored or blocked."""
    def begin():
        os.umask(0o022)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            if signal.getsignal(number) == signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return subprocess.run(command, stdin=subprocess.DEVNULL, env=clean_environment(), preexec_fn=begin, **options)


def without_comments(text, keep_strings=False):
    """The text with comments (and the inside of literals) blanked; line numbers stay what they were."""
    def blank(match):
        token = match.group(0)
        if token.startswith(("//", "/*")):
            return re.sub(r"[^\n]", " ", token)
        return token if keep_strings else '"' + re.sub(r"[^\n]", " ", token[1:-1]) + '"'
    return _TOKENS.sub(blank, text)


def report(problems, what):
    """Prints the problems, or that there are none; returns the exit status."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else f"{what}: ok")
    return 1 if problems else 0


def main(function):
    try:
        sys.exit(function())
    except (OSError, ValueError) as failure:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {failure}")
