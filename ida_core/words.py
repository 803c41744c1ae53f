"""Why a run ends, in the words that its journal has for it, where others look for them."""

#: Stopped by Ctrl-C or SIGTERM.
INTERRUPTED = "interrupted"
#: A run on live prices that was given a duration.
TIME_OVER = "the time asked for is over"
