import signal

import hypothesis


def pytest_configure():
    """Ctrl-C reaches the tests that send it, also where the suite itself was started in the background (SIGINT ignored)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


hypothesis.settings.register_profile(
    "paperlode", deadline=None
)  # how long an example takes says nothing on a shared machine
hypothesis.settings.load_profile("paperlode")
