#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Stands at the prompts of tests/debug/stops.cpp, at a pseudo terminal, as a person would.

usage: terminal_test.py STOPS WAY [SCENARIO...]

Each scenario ends with nothing left: the program's processes have gone within eight seconds of its end, and the terminal is as it was.
"""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import termios
import time

PROMPT = re.compile(rb"\(mitogen ([^)\r\n]+)\) ")
NO_HANG = 30  # seconds, for whatever is waited for: these machines are busy at times


class Wrong(Exception):
    pass


def shell(argv, environment):
    """Runs one job as a shell does: in a process group of its own; a line that is typed while it is stopped has it go on."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    mode = termios.tcgetattr(0)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execve(argv[0], argv, environment)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            os._exit(os.waitstatus_to_exitcode(status))
        os.tcsetpgrp(0, os.getpid())
        termios.tcsetattr(0, termios.TCSANOW, mode)
        os.write(1, b"[stopped]\n")
        os.read(0, 100)
        os.tcsetpgrp(0, job)
        os.kill(-job, signal.SIGCONT)


class Program:
    """The program, at a terminal of its own."""

    def __init__(self, *argv, debug=True, echo=True, job=False, socket="", terminal=True):
        self.socket = socket
        self.said = b""
        self.read_to = 0
        self.status = None
        pid, fd = pty.fork()
        if pid == 0:
            if not echo:
                mode = termios.tcgetattr(0)
                mode[3] &= ~(termios.ECHO | termios.ICANON)
                termios.tcsetattr(0, termios.TCSANOW, mode)
            os.write(1, b"begin\n")
            environment = dict(os.environ, MITOGEN_DEBUG="1" if debug else "", STOPS_MARK="stops.%d" % os.getpid())
            if socket:
                environment["MITOGEN_DEBUG_SOCKET"] = socket
            if not terminal:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                fcntl.ioctl(0, termios.TIOCNOTTY)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if job:
                shell(argv, environment)
            os.execve(argv[0], argv, environment)
        self.pid, self.fd = pid, fd
        self.mark = b"STOPS_MARK=stops.%d\0" % pid
        self.wait_for(rb"begin\r?\n")
        self.mode = termios.tcgetattr(fd)

    def text(self):
        return self.said.decode(errors="replace")

    def pump(self, seconds):
        """False at the end of the terminal."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has it open any more
            return False
        self.said += more
        return bool(more)

    def wait_for(self, pattern, seconds=NO_HANG):
        """Reads on until that is said, behind what was found before."""
        pattern = re.compile(pattern) if isinstance(pattern, bytes) else pattern
        end = time.monotonic() + seconds
        alive = True
        while True:
            found = pattern.search(self.said, self.read_to)
            if found:
                self.read_to = found.end()
                return found
            if not alive or time.monotonic() > end:
                raise Wrong("not said: %r\n%s" % (pattern.pattern, self.text()))
            alive = self.pump(0.05)

    def prompt(self, seconds=NO_HANG):
        """The context whose prompt comes next."""
        return self.wait_for(PROMPT, seconds).group(1).decode()

    def prompt_or_end(self):
        """True if another prompt comes before the program's end."""
        while True:
            if PROMPT.search(self.said, self.read_to):
                self.prompt()
                return True
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return False
            self.pump(0.05)

    def is_silent(self, seconds):
        """No prompt comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(0.05)
        return not PROMPT.search(self.said, self.read_to)

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\n")

    def ask(self, line):
        """What is said between that line and the next prompt."""
        self.line(line)
        begin = self.read_to
        self.prompt()
        return self.said[begin:self.read_to].decode(errors="replace")

    def wait(self, seconds=NO_HANG):
        """Its exit status, or minus the signal."""
        end = time.monotonic() + seconds
        while self.status is None:
            if not self.pump(0.02):
                time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise Wrong("it does not end\n" + self.text())
        while self.pump(0.05) and select.select([self.fd], [], [], 0)[0]:
            pass
        return self.status

    def left(self):
        """Processes of this program that there are."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    with open("/proc/%s/environ" % name, "rb") as file:
                        environ = file.read() + b"\0"
                    with open("/proc/%s/stat" % name) as file:
                        state = file.read().rsplit(")", 1)[1].split()[0]
                except OSError:
                    continue
                if self.mark in environ and state != "Z":
                    found.append(int(name))
        return found

    def end(self, mode=True):
        """After its end: nothing is left, and the terminal is as it was."""
        if mode and termios.tcgetattr(self.fd) != self.mode:
            raise Wrong("the terminal's mode has changed\n" + self.text())
        end = time.monotonic() + 8
        while self.left():
            if time.monotonic() > end:
                raise Wrong("left: %s\n%s" % (self.left(), self.text()))
            time.sleep(0.05)

    def close(self):
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has just gone
                pass
        if self.status is None:
            try:
                os.waitpid(self.pid, 0)
            except ChildProcessError:
                pass
        os.close(self.fd)


def check(that, why, program):
    if not that:
        raise Wrong(why + "\n" + program.text())


# ---- the scenarios -------------------------------------------------------------------------------------------------------------


def once(start, way):
    p = start("once")
    place = p.prompt()
    check((place == "root") == (way == "root"), "the prompt names " + place, p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    check("error" not in p.text().lower(), "the word error", p)
    check(not PROMPT.search(p.said, p.read_to), "a second prompt", p)
    return p


def commands(start, way):
    p = start("once")
    p.prompt()
    where = p.ask("where")
    check("once" in where and "stops.cpp:" in where, "no line of the program in `where`", p)
    frames = p.ask("frames")
    check("dispatcher" not in where and (way == "root" or "dispatcher" in frames), "the library's frames", p)
    check("#1" in p.ask("up") and "#0" in p.ask("down") and "no frame" in p.ask("frame 99"), "up, down, frame", p)
    check("doubled = 42" in p.ask("print doubled"), "print", p)
    check('b = {left: 21, name: "first\\n"}' in p.ask("print b"), "print of a struct", p)
    check("doubled = 43" in p.ask("set doubled 43"), "set", p)
    check("cannot be set" in p.ask("set b 1"), "set of a struct", p)
    check("is no value" in p.ask("set doubled x"), "set to nonsense", p)
    check("no variable" in p.ask("print nothing"), "print of what there is not", p)
    check("at this prompt" in p.ask("contexts"), "contexts", p)
    dump = p.ask("dump")
    check("this context" in dump and (way == "root" or "waits for the debugger" in dump), "dump", p)
    check("is no command" in p.ask("frobnicate"), "an unknown command", p)
    check("continue" in p.ask("help"), "help", p)
    p.line("continue")
    check(p.wait() == 0, "status", p)
    check("result 43" in p.text(), "no result", p)
    return p


def again(start, way):
    """Ten stops: five are passed, each with `where`; then quit."""
    p = start("again")
    for _ in range(5):
        p.prompt()
        p.ask("where")
        p.line("continue")
    p.prompt()
    p.line("quit")
    check(p.wait() == 1, "status", p)
    check("quit" in p.text().split("body: ", 1)[1], "the caller's error does not say quit", p)
    check(not PROMPT.search(p.said, p.read_to), "a further prompt", p)
    return p


def break_at(start, way):
    """Calls of a function stop where they begin."""
    p = start("calls")
    place = p.prompt()
    check("stops::add" in p.ask("break nothing"), "break of what there is not", p)
    check("runs on the loop" in p.ask("break on_the_loop"), "break of what runs on the loop", p)
    check("stop where they begin" in p.ask("break add"), "break", p)
    check("stops::add" in p.ask("break"), "the list", p)
    p.line("continue")
    for end in ("continue", "quit"):
        check(p.prompt() == place, "another context", p)
        check("breakpoint in stops::add" in p.text(), "the function is not named", p)
        if end == "quit":
            check("stop no more" in p.ask("delete add"), "delete", p)
        p.line(end)
    p.prompt()
    p.line("continue")
    check(p.wait() == 0, "status", p)
    said = [line for line in p.text().splitlines() if line.startswith("add: ")]
    check(len(said) == 3 and said[0] == "add: 1" and "quit" in said[1] and said[2] == "add: 3", "the calls' results", p)
    return p


def twice(start, way):
    """Three contexts ask twice: one prompt at a time."""
    p = start("twice")
    for _ in range(6):
        p.prompt()
        check(p.is_silent(0.3), "a second prompt before continue", p)
        p.line("c")
    check(p.wait() == 0 and "result 3" in p.text(), "no result", p)
    return p


def interrupts(start, way):
    """Three Ctrl-C, each by itself."""
    p = start("once")
    place = p.prompt()
    for _ in range(3):
        time.sleep(2.1)
        p.type("wher\x03")
        check(p.prompt() == place, "another prompt", p)
    check("once" in p.ask("where"), "where", p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def two_interrupts(start, way):
    p = start("once")
    p.prompt()
    p.type("\x03")
    p.prompt()
    p.type("\x03")
    check(p.wait(10) != 0, "status", p)
    return p


def nursery_fails(start, way):
    """The nursery fails while one stands there: the idle one is cleaned up, it stays until it goes on."""
    p = start("nursery")
    place = p.prompt()
    p.wait_for(rb"idle one: cleaned up")
    time.sleep(1)
    check("once" in p.ask("where"), "where", p)
    p.line("continue")
    while p.prompt_or_end():  # of the failure, which leaves the body
        p.line("continue")
    check(p.wait() == 1, "status", p)
    check("the failure" in p.text().split("body: ", 1)[1], "not the failure", p)
    return p


def hangs(start, way):
    """It is not killed while it stands there for longer than the grace; then it is."""
    p = start("hangs")
    p.prompt()
    time.sleep(4)
    check("hangs" in p.ask("where"), "where", p)
    p.line("continue")
    begin = time.monotonic()
    while p.prompt_or_end():  # of the failure, which leaves the body
        p.line("continue")
    check(p.wait() == 1 and time.monotonic() - begin < 10, "status", p)
    check("the failure" in p.text().split("body: ", 1)[1], "not the failure", p)
    return p


def cancel_queued(start, way):
    p = start("cancel_queued")
    place = p.prompt()
    p.wait_for(rb"queued: ended", 10)
    p.line("continue")
    check(p.wait() == 0 and "result 2" in p.text(), "no result", p)
    check(not PROMPT.search(p.said, p.read_to), "a prompt of what was cancelled", p)
    return p


def killed(start, way):
    """The one that stands there is killed: the next one has the terminal at once."""
    p = start("killed")
    first = p.prompt()
    p.wait_for(rb"kills\r?\n")
    begin = time.monotonic()
    second = p.prompt()
    check(second != first, "the same prompt", p)
    check(time.monotonic() - begin < 2, "late", p)
    p.line("continue")
    check(p.wait() == 0 and "result 8" in p.text(), "no result", p)
    # ssh does not pass on by which signal
    says = "exit status 255" if way == "ssh" else "signal 9" if "ssh" not in way else "is lost"
    check(says in p.text().split("lost: ", 1)[1], "the error does not say " + says, p)
    return p


def silent(start, way):
    p = start("silent")
    p.prompt()
    slow = int(p.wait_for(rb"slow: (\d+)").group(1))
    check(slow <= 4, "%d of 40 calls of a sibling took more than 100 ms" % slow, p)
    p.line("continue")
    check(p.wait() == 0 and "result 2" in p.text(), "no result", p)
    return p


def body_throws(start, way):
    p = start("body_throws")
    p.prompt()
    time.sleep(3)
    check("once" in p.ask("where"), "where", p)
    p.line("continue")
    check(p.wait() == 1, "status", p)
    check("the body's own" in p.text(), "not the body's error", p)
    return p


def returns(start, way):
    """The root's end waits, and says for whom."""
    p = start("returns")
    place = p.prompt()
    p.wait_for(rb"the end of this program waits for " + place.encode())
    check("once" in p.ask("where"), "where", p)
    p.line("continue")
    check(p.wait() == 0, "status", p)
    return p


def threads(start, way):
    p = start("threads")
    p.prompt()
    check(p.is_silent(0.3), "two prompts at once", p)
    p.line("continue")
    p.prompt()
    p.line("continue")
    check(p.wait() == 0 and "result 2" in p.text(), "no result", p)
    return p


def no_echo(start, way):
    """A terminal without echo, and in no line mode, is so again."""
    p = start("once", echo=False)
    p.prompt()
    check("\nwhere" in p.ask("where") or "where\r\n" in p.text(), "no echo at the prompt", p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def end_of_file(start, way):
    p = start("once")
    p.prompt()
    p.type("\x04")
    check(p.wait() == 0 and "result 42" in p.text(), "Ctrl-D is not continue", p)
    return p


def stopped(start, way):
    """Ctrl-Z stops the program; when it goes on, the prompt is there again, and works."""
    p = start("once", job=True)
    place = p.prompt()
    for _ in range(2):
        p.type("\x1a")
        p.wait_for(rb"\[stopped\]")
        p.line("fg")
        check(p.prompt() == place, "another prompt", p)
    check("once" in p.ask("where"), "where", p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def root_is_killed(start, way):
    p = start("once")
    p.prompt()
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    p.end(mode=False)
    return None, p


def hangs_up(start, way):
    """The terminal goes away at the prompt."""
    p = start("once")
    p.prompt()
    os.close(p.fd)
    p.fd = os.open("/dev/null", os.O_RDWR)
    end = time.monotonic() + 12
    while p.left() and time.monotonic() < end:
        time.sleep(0.05)
    check(not p.left(), "left: %s" % p.left(), p)
    return None, p


def throws(start, way):
    p = start("throws")
    place = p.prompt()
    check("thrown at 3" in p.text(), "the prompt does not say what was thrown", p)
    p.line("continue")
    if way != "root":  # the caller's body throws it again
        check(p.prompt() == "root", "no prompt in the root", p)
        p.line("continue")
    check(p.wait() == 1, "status", p)
    check("thrown at 3" in p.text().split("body: ", 1)[1], "another error", p)
    return p


def task(start, way):
    p = start("task")
    p.prompt()
    p.wait_for(rb"others: 3")
    p.line("continue")
    check(p.wait() == 0 and "result 5" in p.text(), "no result", p)
    return p


def loop(start, way):
    p = start("loop")
    check(p.wait() == 0 and "result 1" in p.text(), "no result", p)
    check("must not stop" in p.text() and "run_on" in p.text(), "the log does not say why", p)
    check(not PROMPT.search(p.said), "a prompt", p)
    return p


def unarmed(start, way):
    p = start("once", debug=False)
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    check(not PROMPT.search(p.said), "a prompt", p)
    return p


def many(start, way):
    p = start("many")
    for _ in range(50):
        p.prompt()
        p.line("c")
    check(p.wait() == 0 and "result 100" in p.text(), "no result", p)
    return p


# ---- a second terminal ---------------------------------------------------------------------------------------------------------


def numbers(listed, how_many, program):
    found = re.findall(r"^(\d+)  (\S+) ", listed.replace("\r", ""), re.M)
    check(len(found) == how_many, "not %d in the list: %s" % (how_many, listed), program)
    return found


TOP = re.compile(rb"\(mitogen\) ")


def at_top(client, line):
    """What is said to a line that is typed where nothing is attached, or that leads back there."""
    client.line(line)
    begin = client.read_to
    client.wait_for(TOP)
    return client.said[begin:client.read_to].decode(errors="replace")


def connect(program, start):
    client = start("client", client_of=program.socket)
    client.wait_for(TOP)
    return client


def leaves(client):
    client.line("quit")
    check(client.wait() == 0, "the client's status", client)
    client.end()


def second_terminal(start, way):
    """Two stand; the root's own terminal is left alone meanwhile."""
    p = start("two", socket=True)
    p.prompt()
    c = connect(p, start)
    p.wait_for(rb"left to the second terminal")
    deadline = time.monotonic() + NO_HANG
    while len(re.findall(r"breakpoint in", at_top(c, "list"))) < 2 and time.monotonic() < deadline:
        pass
    listed = at_top(c, "list")
    both = numbers(listed, 2, c)
    check("breakpoint in once at" in listed and "breakpoint in twice at" in listed and "stops.cpp:" in listed and "pid " in listed, "list: " + listed, c)
    once_number = next(n for n, _ in both if re.search(r"^%s  .*in once" % n, listed, re.M))
    c.line("attach " + once_number)
    place = c.prompt()
    check("stops.cpp:" in c.ask("where") and "doubled = 42" in c.ask("set doubled 42"), "where, set", c)
    at_top(c, "detach")
    c.line("attach " + once_number)
    check(c.prompt() == place, "another context", c)
    check("set doubled 42" in c.text().rsplit("attach", 1)[1], "the last screen is not repeated", c)
    c.line("continue")
    c.wait_for(TOP)
    check(len(numbers(at_top(c, "list"), 1, c)) == 1, "one is left", c)
    check("1 goes on" in at_top(c, "continue all"), "continue all", c)
    check(p.is_silent(0.3), "a prompt at the root's terminal", p)
    leaves(c)
    p.prompt()  # of the second turn of twice
    p.line("continue")
    check(p.wait() == 0 and "result 44" in p.text(), "no result", p)
    check(not os.path.exists(p.socket), "the socket is left", p)
    return p


def clients_change(start, way):
    """The newest one is there; one that is killed, or leaves, loses nothing."""
    p = start("once", socket=True)
    place = p.prompt()
    a = connect(p, start)
    a.line("attach 1")
    check(a.prompt() == place, "another context", a)
    a.ask("where")
    b = connect(p, start)
    check("(another terminal)" in at_top(b, "list"), "nobody is there", b)
    b.line("attach 1")
    b.prompt()
    a.wait_for(rb"another terminal attends to it now")
    a.wait_for(TOP)
    check("stops.cpp:" in b.text().rsplit("attach 1", 1)[1], "the last screen is not repeated", b)
    os.kill(b.pid, signal.SIGKILL)
    check(b.wait() == -signal.SIGKILL, "status", b)
    a.line("attach 1")
    a.prompt()
    a.type("\x04")
    a.wait_for(TOP)
    a.type("\x04")
    check(a.wait() == 0, "Ctrl-D does not leave", a)
    a.end()
    check(p.prompt() == place, "the root's terminal has it no more", p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def stopped_client(start, way):
    """One that reads nothing any more holds up nobody."""
    p = start("once", socket=True)
    p.prompt()
    a = connect(p, start)
    a.line("attach 1")
    a.prompt()
    os.kill(a.pid, signal.SIGSTOP)
    b = connect(p, start)
    b.line("attach 1")
    b.prompt()
    b.line("continue")
    b.wait_for(TOP)
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    os.kill(a.pid, signal.SIGCONT)
    check(a.wait() == 0 and b.wait() == 0, "status of the clients", a)
    a.end()
    b.end()
    return p


def cast(start, way):
    """A command to all that stand in some contexts."""
    p = start("many", socket=True)
    p.prompt()
    c = connect(p, start)
    deadline = time.monotonic() + NO_HANG
    while len(re.findall(r"breakpoint in", at_top(c, "list"))) < 50 and time.monotonic() < deadline:
        pass
    listed = numbers(at_top(c, "list"), 50, c)
    names = [place for _, place in listed[:3]]
    some = at_top(c, "cast %s print doubled" % ",".join(names))
    check(some.count("doubled = 2") == 3, "print to three: " + some, c)
    check(at_top(c, "cast %s where" % names[0]).count("stops::once") == 1, "where", c)
    check("3 go on" in at_top(c, "cast %s continue" % ",".join(names)), "continue of three", c)
    check("nothing has stopped there" in at_top(c, "cast web[1-9] continue"), "an empty set", c)
    for wrong in ("cast", "cast all", "cast web[ where", "cast all up", "cast all where 1", "cast all print", "attach", "attach x", "attach 0", "attach 999",
                  "attach 1 2", "continue", "frobnicate", "list 1", "attach 99999999999999999999"):
        said = at_top(c, wrong).replace("\r", "").split("\n")
        check(len(said) == 3 and said[1] != "", "%s: %r" % (wrong, said), c)
    check("47 go on" in at_top(c, "continue all"), "continue all", c)
    check(p.wait() == 0 and "result 100" in p.text(), "no result", p)
    check("the program ends" in (c.wait(), c.text())[1], "the client is not told", c)
    c.end()
    return p


def killed_root(start, way):
    """All end with the root; what it has left is no obstacle."""
    p = start("two", socket=True)
    p.prompt()
    c = connect(p, start)
    c.line("attach 1")
    c.prompt()
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    check(c.wait() == 0, "the client does not end", c)
    c.end()
    p.end(mode=False)
    again = start("once", socket=p.socket)
    again.prompt()
    d = connect(again, start)
    check("1 goes on" in at_top(d, "continue all"), "the next tree has no client", d)
    check(again.wait() == 0, "status", again)
    return again


def dump_by_signal(start, way):
    """SIGUSR1: the whole tree, parent before child, whoever stands there."""
    p = start("once", socket=True)
    place = p.prompt()
    begin = time.monotonic()
    os.kill(p.pid, signal.SIGUSR1)
    p.wait_for(rb"this context\r?\n")
    p.wait_for(rb"waits for the debugger")
    check(time.monotonic() - begin < 2, "the dump is late", p)
    dump = p.text().split("this context", 1)[1]
    names = re.findall(r"^(\S+) \(context", dump, re.M)
    check(names == sorted(names) and (way == "root" or place in names), "the contexts: %s" % names, p)
    p.line("continue")
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def only_client(start, way):
    """A root without a terminal waits for one that comes."""
    p = start("once", socket=True, terminal=False)
    p.wait_for(rb"it waits for `mitogen-debug ")
    c = connect(p, start)
    c.line("attach 1")
    c.prompt()
    at_top(c, "detach")
    leaves(c)
    c = connect(p, start)
    check("1 goes on" in at_top(c, "continue all"), "continue", c)
    check(p.wait() == 0 and "result 42" in p.text(), "no result", p)
    return p


def other_user(start, way):
    """Nobody else's is let in."""
    if os.getuid() != 0:
        return None
    p = start("once", socket=True)
    p.prompt()
    directory = os.path.dirname(p.socket)
    check(os.stat(directory).st_mode & 0o777 == 0o700, "the directory is not private", p)
    os.chmod(os.path.dirname(directory), 0o755)
    os.chmod(directory, 0o755)  # as if it had been made by somebody careless
    os.chmod(p.socket, 0o666)
    pid = os.fork()
    if pid == 0:
        try:
            import socket
            os.setuid(65534)
            s = socket.socket(socket.AF_UNIX)
            s.connect(p.socket)
            s.sendall(b"mitogen-debug\nlist\n")
            os._exit(len(s.recv(100)) != 0)
        except ConnectionError:
            os._exit(0)
        except BaseException:
            os._exit(2)
    check(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "another user is answered", p)
    p.wait_for(rb"refused a debugger's terminal")
    p.line("continue")
    check(p.wait() == 0, "status", p)
    return p


def no_terminal(stops, way):
    """A root without a terminal: a report, and it goes on."""
    import subprocess
    done = subprocess.run([stops, way, "once"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=NO_HANG,
                          start_new_session=True, env=dict(os.environ, MITOGEN_DEBUG="1"))
    said = done.stderr.decode()
    if done.returncode != 0 or b"result 42" not in done.stdout:
        raise Wrong("no result\n" + said)
    if "breakpoint in once" not in said or "stops.cpp:" not in said:
        raise Wrong("no report\n" + said)


SCENARIOS = {f.__name__: f for f in (once, commands, again, break_at, twice, interrupts, two_interrupts, nursery_fails, hangs, cancel_queued, killed, silent,
                                     body_throws, returns, threads, no_echo, end_of_file, stopped, root_is_killed, hangs_up, throws, task,
                                     loop, unarmed, many, second_terminal, clients_change, stopped_client, cast, killed_root, only_client, dump_by_signal,
                                     other_user)}
# What needs a context that is not the program itself.
BELOW = {"nursery_fails", "killed", "silent", "cancel_queued", "body_throws", "returns", "task", "loop", "break_at", "second_terminal", "killed_root"}


def main(stops, way, names):
    failed = 0
    for name in names or [n for n in list(SCENARIOS) + ["no_terminal"] if way != "root" or n not in BELOW]:
        begin = time.monotonic()
        programs = []

        def start(what, client_of=None, socket=None, **options):
            if socket is True:
                socket = os.path.join(tempfile.mkdtemp(prefix="stops."), "private", "debug")
            argv = (stops, "client", client_of) if client_of else (stops, way, what)
            programs.append(Program(*argv, socket=socket, **options))
            return programs[-1]

        try:
            if name == "no_terminal":
                no_terminal(stops, way)
            else:
                p = SCENARIOS[name](start, way)
                if isinstance(p, Program):
                    p.end()
            print("ok    %-16s %5.1f s" % (name, time.monotonic() - begin), flush=True)
        except Wrong as why:
            failed += 1
            print("WRONG %s\n%s" % (name, why), flush=True)
        finally:
            for p in programs:
                p.close()
                if p.socket:
                    shutil.rmtree(os.path.dirname(os.path.dirname(p.socket)), ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
