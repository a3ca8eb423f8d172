import os
import signal
import subprocess
import sys
import threading

import pytest

from il import preempt


@pytest.mark.parametrize("number", preempt.SIGNALS)
def test_a_signal_is_noted_while_listening_and_forgotten_afterwards(number):
    before = signal.getsignal(number)
    with preempt.listening():
        assert not preempt.requested()
        os.kill(os.getpid(), number)
        assert preempt.requested() and preempt.received(number)
    assert not preempt.requested()
    assert signal.getsignal(number) is before


def test_nested_listeners_share_what_was_noted():
    with preempt.listening():
        with preempt.listening():
            os.kill(os.getpid(), signal.SIGUSR2)
        assert preempt.received(signal.SIGUSR2) and not preempt.received(signal.SIGTERM)


def test_outside_the_main_thread_nothing_is_installed():
    before = signal.getsignal(signal.SIGTERM)
    handlers = []

    def work():
        with preempt.listening():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_preempted_is_no_exception_and_ends_a_process_with_143():
    program = "from il import preempt\ntry: raise preempt.Preempted\nexcept Exception: pass"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 143
