"""The command ends its process as soon as it is done, and as Python would where it is not."""

import subprocess
import sys

from efgan_rt import __version__

LATE = "import atexit, sys; atexit.register(lambda: print('at exit'));"
COMMAND = "from efgan_rt.cli.app import command; sys.argv = ['efgan-rt', {words}]; command()"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_what_was_printed_and_registered_for_the_exit_is_not_lost() -> None:
    done = run(LATE + COMMAND.format(words="'--version'"))
    assert (done.returncode, done.stdout) == (0, f"efgan-rt {__version__}\nat exit\n")


def test_nothing_else_is_taken_down() -> None:
    watch = (
        "class Watch:\n    def __del__(self): print('taken down')\nwatch = Watch()\nimport sys\n"
    )
    assert run(watch + COMMAND.format(words="'--version'")).stdout == f"efgan-rt {__version__}\n"


def test_the_status_is_that_of_the_command() -> None:
    assert run("import sys;" + COMMAND.format(words="'dance'")).returncode == 2


def test_threads_that_are_at_work_are_waited_for() -> None:
    thread = (
        "import sys, threading, time\n"
        "def work():\n    time.sleep(0.5)\n    print('worked')\n"
        "threading.Thread(target=work).start()\n"
    )
    done = run(thread + COMMAND.format(words="'--version'"))
    assert done.stdout.endswith("worked\n")
    assert done.returncode == 0


def test_a_bug_shows_its_traceback() -> None:
    broken = "import sys; from efgan_rt.cli import app; app.main = lambda: 1 / 0; app.command()"
    done = run(broken)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
