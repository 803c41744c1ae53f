"""The exceptions, by what the caller does next, and the codes that ``ida explain`` expands.

::

    IdaError
    ├─ UsageError                 say it differently                          exit 2
    ├─ ConfigError, PluginError   fix the file; fix or drop the named plugin  exit 3
    ├─ OffGrid, OrderStateError   a bug of ours, or a venue that changed      exit 1
    ├─ BookGap                    rebuild the book                            exit 7
    ├─ DataError                  the recording or journal is damaged         exit 7
    ├─ OutputError                the disk is full, the folder read-only      exit 7
    ├─ RiskHalt                   risk stopped the run                        exit 5
    ├─ AuthError                  key missing, wrong or not allowed           exit 6
    └─ VenueError                                                             exit 4
       ├─ VenueUnavailable        not sent: safe to try again
       ├─ RateLimited             wait .retry_after_s
       ├─ RequestRejected         the venue said no; .code and .reason are its words
       └─ OutcomeUnknown          sent, no answer: ask the venue before doing anything else

A message names the thing, the value and the rule. ``problems`` carries several at once.
"""

from collections.abc import Sequence

EXIT_DONE, EXIT_BUG, EXIT_USAGE, EXIT_CONFIG, EXIT_VENUE = 0, 1, 2, 3, 4
EXIT_RISK, EXIT_AUTH, EXIT_DATA, EXIT_INTERRUPTED = 5, 6, 7, 130
#: What a plugin may raise by a fault of its own; ``sys.exit()`` in one is no wish of the user's.
FAILURES = (Exception, SystemExit)


class IdaError(Exception):
    """Base of all errors that Ida raises on purpose.

    Args:
        message: the thing, the value and the rule, in one sentence.
        code: a key of ``ida_core.codes.CODES``; each class has a default.
        problems: further sentences when several things are wrong at once.
    """

    exit_code = EXIT_BUG
    default_code = "IDA-E1000"

    def __init__(self, message: str, *, code: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.problems = tuple(problems)


class UsageError(IdaError):
    exit_code = EXIT_USAGE
    default_code = "IDA-E2000"


class ConfigError(IdaError):
    exit_code = EXIT_CONFIG
    default_code = "IDA-E3000"


class PluginError(IdaError):
    exit_code = EXIT_CONFIG
    default_code = "IDA-E3100"


class OffGrid(IdaError):
    default_code = "IDA-E1100"


class OrderStateError(IdaError):
    default_code = "IDA-E1200"


class BookGap(IdaError):
    exit_code = EXIT_DATA
    default_code = "IDA-E7100"


class DataError(IdaError):
    exit_code = EXIT_DATA
    default_code = "IDA-E7000"


class OutputError(IdaError):
    exit_code = EXIT_DATA
    default_code = "IDA-E7200"


class RiskHalt(IdaError):
    exit_code = EXIT_RISK
    default_code = "IDA-E5000"


class AuthError(IdaError):
    exit_code = EXIT_AUTH
    default_code = "IDA-E6000"


class VenueError(IdaError):
    exit_code = EXIT_VENUE
    default_code = "IDA-E4000"


class VenueUnavailable(VenueError):
    default_code = "IDA-E4100"


class RateLimited(VenueError):
    default_code = "IDA-E4200"

    def __init__(self, message: str, retry_after_s: float, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class RequestRejected(VenueError):
    default_code = "IDA-E4300"

    def __init__(self, message: str, venue_code: int, reason: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.venue_code = venue_code
        self.reason = reason


class OutcomeUnknown(VenueError):
    default_code = "IDA-E4400"


def sole(error: BaseException) -> BaseException:
    """A group of one, as a nursery raises it, is that one; of a larger one the first error of ours tells most."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(IdaError)
        if len(error.exceptions) > 1 and ours is None:
            break
        error = error.exceptions[0] if ours is None else ours.exceptions[0]
    return error
