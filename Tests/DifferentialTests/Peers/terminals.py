"""
Runs a command on a terminal of its own and types into it.

- `expect TEXT`: waits until the terminal has shown this after what was expected before.
- `send TEXT`: types it, with the escapes of Python.
- `size ROWS COLUMNS`: changes the size, before the command starts or later; docker may not listen for that yet, so that
  the command is told again while something is waited for.
- `signal NAME`: sends a signal to the command.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


def converse(command, script, directory, environment, limit):
    """The exit status and all that was shown, or what was missing of it."""
    sizes = [line.split()[1:] for line in script[:1] if line.startswith("size ")]
    pid, terminal = pty.fork()
    if pid == 0:
        resize(0, *(sizes[0] if sizes else (24, 80)))
        os.chdir(directory)
        os.execvpe(command[0], command, environment)
    conversation = Conversation(pid, terminal, time.monotonic() + limit)
    try:
        for line in script:
            word, _, text = line.partition(" ")
            if word == "expect":
                conversation.expect(text.encode())
            elif word == "send":
                os.write(terminal, text.encode().decode("unicode_escape").encode("latin-1"))
            elif word == "size":
                resize(terminal, *text.split())
                conversation.was_resized = True
            elif word == "signal":
                os.kill(pid, signal.Signals[text])
            else:
                raise RuntimeError(f"what is {line!r}?")
        status = conversation.end()
    except TimeoutError as missing:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        status = str(missing)
    os.close(terminal)
    return status, conversation.shown.decode(errors="backslashreplace").replace("\r", "\\r")


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))


class Conversation:
    def __init__(self, pid, terminal, deadline):
        self.pid, self.terminal, self.deadline = pid, terminal, deadline
        self.shown, self.seen = b"", 0
        self.was_resized = False

    def read(self):
        """Reads once what there is to read; false at the end."""
        while not select.select([self.terminal], [], [], 0.5)[0]:
            if time.monotonic() > self.deadline:
                return None
            if self.was_resized:
                os.killpg(self.pid, signal.SIGWINCH)
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.shown += data
        return bool(data)

    def expect(self, text):
        while (found := self.shown.find(text, self.seen)) < 0:
            if not self.read():
                raise TimeoutError(f"never showed {text.decode()!r}")
        self.seen = found + len(text)

    def end(self):
        while (more := self.read()):
            pass
        if more is None:
            raise TimeoutError("did not end")
        status = os.waitpid(self.pid, 0)[1]
        return os.waitstatus_to_exitcode(status)
