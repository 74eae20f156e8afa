"""Operations of a client that can pass or fail, one line each; the last line of a program counts them."""

import contextlib
import logging
import sys
import time

logging.disable(logging.CRITICAL)  # the clients log what they raise
NO_SUCH_CALL = ('13005', '3', '404')


def fail(got, want):
    raise AssertionError('got %r, want %r' % (got, want))


def equal(got, want):
    if got != want:
        fail(got, want)


def contains(got, want):
    if want not in got:
        raise AssertionError('%r is not in %r' % (want, got))


class Operations:
    def __init__(self, client):
        self.client, self.passed, self.failed = client, 0, 0

    @contextlib.contextmanager
    def __call__(self, name, refused=None):
        """`with op(NAME):` one operation. With `refused` it has to raise an error whose code or type is one of these.

        A call that the simulator does not have counts as failed, whatever error is expected.
        """
        try:
            yield
            if refused:
                raise AssertionError('it passed, but %s was expected' % (refused,))
        except Exception as e:  # whatever the client raises is a result
            code = str(getattr(e, 'code', type(e).__name__))
            wanted = (refused,) if isinstance(refused, str) else refused or ()
            kind = type(e).__name__
            unknown = kind == 'NaApiError' and code in NO_SUCH_CALL
            if unknown or (code not in wanted and kind not in wanted):
                self.failed += 1
                print('not ok - %s: %s # %s: %s' % (self.client, name, kind, ' '.join(str(e).split())[:300]))
                return
        self.passed += 1
        print('ok - %s: %s' % (self.client, name))

    def until(self, what, condition, seconds=20):
        """Waits for a state that the controller reaches by itself."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError('not reached within %d s: %s' % (seconds, what))
            time.sleep(0.1)

    def finish(self):
        print('%d passed, %d failed, 0 skipped' % (self.passed, self.failed))
        sys.exit(1 if self.failed else 0)
