"""What each error code of Binance spot asks for: one table, from which all that judges answers is made.

Source: Binance Spot API docs, errors.md (2026-07-21); the codes of FIX sessions are in it, for they share the numbers.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple


class Action(enum.StrEnum):
    """What to do about an error.

    ``RETRY``: set the clock right, and send the same once more. ``BACK_OFF``: wait, then try again. ``RESYNC``: what is
    known here is not how things stand there: ask. ``FIX``: the request is wrong as it is, and stays so. ``STOP``: the
    key, or what it may do, is wrong: nothing else will be answered better. ``UNKNOWN``: it may have been carried out,
    so ask before anything else.
    """

    RETRY = "RETRY"
    BACK_OFF = "BACK_OFF"
    RESYNC = "RESYNC"
    FIX = "FIX"
    STOP = "STOP"
    UNKNOWN = "UNKNOWN"


class Advice(NamedTuple):
    """``name``: the exchange's; ``ida``: what Ida does about it."""

    name: str
    action: Action
    ida: str


_NOT_CARRIED_OUT = "rejects the request; the same one is not sent again"
_ASKS = "counts the order in its worst case, waits for the account's events, then asks for it by its client order id"
_KEY = "when it connects: ends the run with exit code 6; else rejects the request"
_WAITS = "sends nothing that would be counted until the time that the answer tells"
_FIX_SESSION = "does not speak FIX; told for completeness"


def _fix(name: str) -> Advice:
    return Advice(name, Action.FIX, _NOT_CARRIED_OUT)


def _session(name: str, action: Action = Action.FIX) -> Advice:
    return Advice(name, action, _FIX_SESSION)


#: By code.
TABLE: Mapping[int, Advice] = {
    -1000: Advice("UNKNOWN", Action.UNKNOWN, _ASKS),
    -1001: Advice("DISCONNECTED", Action.UNKNOWN, _ASKS),
    -1002: Advice("UNAUTHORIZED", Action.STOP, _KEY),
    -1003: Advice("TOO_MANY_REQUESTS", Action.BACK_OFF, "sends nothing at all until then; a ban (418) likewise"),
    -1006: Advice("UNEXPECTED_RESP", Action.UNKNOWN, _ASKS),
    -1007: Advice("TIMEOUT", Action.UNKNOWN, _ASKS),
    -1008: Advice("SERVER_BUSY", Action.BACK_OFF, "rejects the request; with status 5xx its outcome is unknown"),
    -1010: Advice("ERROR_MSG_RECEIVED", Action.FIX, _NOT_CARRIED_OUT),
    -1013: Advice("INVALID_MESSAGE", Action.FIX, "rejects the order; a filter is named, and ought to have spoken here"),
    -1014: _fix("UNKNOWN_ORDER_COMPOSITION"),
    -1015: Advice("TOO_MANY_ORDERS", Action.BACK_OFF, "places nothing until then; cancels and queries go on"),
    -1016: Advice("SERVICE_SHUTTING_DOWN", Action.BACK_OFF, "connects anew"),
    -1020: _fix("UNSUPPORTED_OPERATION"),
    -1021: Advice("INVALID_TIMESTAMP", Action.RETRY, "asks for the exchange's time, and sends the request once more"),
    -1022: Advice("INVALID_SIGNATURE", Action.STOP, _KEY),
    -1033: _session("COMP_ID_IN_USE", Action.BACK_OFF),
    -1034: _session("TOO_MANY_CONNECTIONS", Action.BACK_OFF),
    -1035: _session("LOGGED_OUT", Action.BACK_OFF),
    -1100: _fix("ILLEGAL_CHARS"),
    -1101: _fix("TOO_MANY_PARAMETERS"),
    -1102: _fix("MANDATORY_PARAM_EMPTY_OR_MALFORMED"),
    -1103: _fix("UNKNOWN_PARAM"),
    -1104: _fix("UNREAD_PARAMETERS"),
    -1105: _fix("PARAM_EMPTY"),
    -1106: _fix("PARAM_NOT_REQUIRED"),
    -1108: _fix("PARAM_OVERFLOW"),
    -1111: _fix("BAD_PRECISION"),
    -1112: Advice("NO_DEPTH", Action.BACK_OFF, "rejects the order: the book has no other side"),
    -1114: _fix("TIF_NOT_REQUIRED"),
    -1115: _fix("INVALID_TIF"),
    -1116: _fix("INVALID_ORDER_TYPE"),
    -1117: _fix("INVALID_SIDE"),
    -1118: _fix("EMPTY_NEW_CL_ORD_ID"),
    -1119: _fix("EMPTY_ORG_CL_ORD_ID"),
    -1120: _fix("BAD_INTERVAL"),
    -1121: _fix("BAD_SYMBOL"),
    -1122: _fix("INVALID_SYMBOLSTATUS"),
    -1125: _fix("INVALID_LISTEN_KEY"),
    -1127: _fix("MORE_THAN_XX_HOURS"),
    -1128: _fix("OPTIONAL_PARAMS_BAD_COMBO"),
    -1130: _fix("INVALID_PARAMETER"),
    -1131: _fix("BAD_RECV_WINDOW"),
    -1134: _fix("BAD_STRATEGY_TYPE"),
    -1135: _fix("INVALID_JSON"),
    -1139: _fix("INVALID_TICKER_TYPE"),
    -1145: _fix("INVALID_CANCEL_RESTRICTIONS"),
    -1151: _fix("DUPLICATE_SYMBOLS"),
    -1152: _fix("INVALID_SBE_HEADER"),
    -1153: _fix("UNSUPPORTED_SCHEMA_ID"),
    -1155: _fix("SBE_DISABLED"),
    -1158: _fix("OCO_ORDER_TYPE_REJECTED"),
    -1160: _fix("OCO_ICEBERGQTY_TIMEINFORCE"),
    -1161: _fix("DEPRECATED_SCHEMA"),
    -1165: _fix("BUY_OCO_LIMIT_MUST_BE_BELOW"),
    -1166: _fix("SELL_OCO_LIMIT_MUST_BE_ABOVE"),
    -1168: _fix("BOTH_OCO_ORDERS_CANNOT_BE_LIMIT"),
    -1169: _session("INVALID_TAG_NUMBER"),
    -1170: _session("TAG_NOT_DEFINED_IN_MESSAGE"),
    -1171: _session("TAG_APPEARS_MORE_THAN_ONCE"),
    -1172: _session("TAG_OUT_OF_ORDER"),
    -1173: _session("GROUP_FIELDS_OUT_OF_ORDER"),
    -1174: _session("INVALID_COMPONENT"),
    -1175: _session("RESET_SEQ_NUM_SUPPORT"),
    -1176: _session("ALREADY_LOGGED_IN"),
    -1177: _session("GARBLED_MESSAGE"),
    -1178: _session("BAD_SENDER_COMPID"),
    -1179: _session("BAD_SEQ_NUM"),
    -1180: _session("EXPECTED_LOGON"),
    -1181: _session("TOO_MANY_MESSAGES", Action.BACK_OFF),
    -1182: _session("PARAMS_BAD_COMBO"),
    -1183: _session("NOT_ALLOWED_IN_DROP_COPY_SESSIONS"),
    -1184: _session("DROP_COPY_SESSION_NOT_ALLOWED"),
    -1185: _session("DROP_COPY_SESSION_REQUIRED"),
    -1186: _session("NOT_ALLOWED_IN_ORDER_ENTRY_SESSIONS"),
    -1187: _session("NOT_ALLOWED_IN_MARKET_DATA_SESSIONS"),
    -1188: _session("INCORRECT_NUM_IN_GROUP_COUNT"),
    -1189: _session("DUPLICATE_ENTRIES_IN_A_GROUP"),
    -1190: _session("INVALID_REQUEST_ID"),
    -1191: _session("TOO_MANY_SUBSCRIPTIONS"),
    -1194: _fix("INVALID_TIME_UNIT"),
    -1196: _fix("BUY_OCO_STOP_LOSS_MUST_BE_ABOVE"),
    -1197: _fix("SELL_OCO_STOP_LOSS_MUST_BE_BELOW"),
    -1198: _fix("BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW"),
    -1199: _fix("SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE"),
    -1210: _fix("INVALID_PEG_PRICE_TYPE"),
    -1211: _fix("INVALID_PEG_OFFSET_TYPE"),
    -1220: _fix("SYMBOL_DOES_NOT_MATCH_STATUS"),
    -1221: _fix("INVALID_SBE_MESSAGE_FIELD"),
    -1222: _fix("OPO_WORKING_MUST_BE_BUY"),
    -1223: _fix("OPO_PENDING_MUST_BE_SELL"),
    -1224: _fix("WORKING_PARAM_REQUIRED"),
    -1225: _fix("PENDING_PARAM_NOT_REQUIRED"),
    -2010: Advice("NEW_ORDER_REJECTED", Action.FIX, "rejects the order in the exchange's words"),
    -2011: Advice("CANCEL_REJECTED", Action.RESYNC, "takes the order for filled or closed, and waits for its report"),
    -2013: Advice("NO_SUCH_ORDER", Action.RESYNC, "asks again until the request could not arrive any more"),
    -2014: Advice("BAD_API_KEY_FMT", Action.STOP, _KEY),
    -2015: Advice("REJECTED_MBX_KEY", Action.STOP, _KEY),
    -2016: Advice("NO_TRADING_WINDOW", Action.FIX, _NOT_CARRIED_OUT),
    -2021: Advice("CANCEL_REPLACE_PARTIALLY_FAILED", Action.RESYNC, "reads which half was carried out"),
    -2022: Advice("CANCEL_REPLACE_FAILED", Action.RESYNC, "reads why both halves were not carried out"),
    -2026: Advice("ORDER_ARCHIVED", Action.FIX, "takes the order for closed long ago, without a fill"),
    -2035: Advice("SUBSCRIPTION_ACTIVE", Action.RESYNC, "connects anew"),
    -2036: Advice("SUBSCRIPTION_INACTIVE", Action.RESYNC, "connects anew"),
    -2038: Advice("ORDER_AMEND_REJECTED", Action.FIX, "leaves the order as it is"),
    -2039: _fix("CLIENT_ORDER_ID_INVALID"),
    -2042: Advice("MAXIMUM_SUBSCRIPTION_IDS", Action.RESYNC, "connects anew"),
    -2043: Advice("NO_REFERENCE_PRICE", Action.FIX, "does without"),
}
#: Codes whose words tell more than they do; the first of the texts that is found counts.
BY_WORDS: tuple[tuple[int, str, Advice], ...] = (
    (-2010, "insufficient balance", Advice("NEW_ORDER_REJECTED", Action.RESYNC, "rejects the order")),
    (-2010, "Duplicate order", Advice("NEW_ORDER_REJECTED", Action.RESYNC, "rejects the order")),
    (-2010, "Market is closed", Advice("NEW_ORDER_REJECTED", Action.BACK_OFF, "rejects the order")),
    (-1013, "Market is closed", Advice("INVALID_MESSAGE", Action.BACK_OFF, "rejects the order")),
)
_NO_CODE: Mapping[int, Advice] = {
    401: Advice("HTTP 401", Action.STOP, _KEY),
    403: Advice("HTTP 403", Action.BACK_OFF, "sends nothing for two minutes: the exchange's firewall refused it"),
    408: Advice("HTTP 408", Action.UNKNOWN, _ASKS),
    418: Advice("HTTP 418", Action.BACK_OFF, _WAITS),
    429: Advice("HTTP 429", Action.BACK_OFF, _WAITS),
}


def advice(code: int, msg: str = "", status: int = 0) -> Advice:
    """What an error asks for. A code that is not in the table is judged by the HTTP status, which may be 0.

    >>> advice(-1021).action, advice(-2010, "Account has insufficient balance for requested action.").action
    (<Action.RETRY: 'RETRY'>, <Action.RESYNC: 'RESYNC'>)
    >>> advice(-9999, status=503).action, advice(-9999, status=400).action
    (<Action.UNKNOWN: 'UNKNOWN'>, <Action.FIX: 'FIX'>)
    """
    for of, words, found in BY_WORDS:
        if code == of and words in msg:
            return found
    if status >= 500:
        return Advice(f"HTTP {status}", Action.UNKNOWN, _ASKS)
    if code in TABLE:
        return TABLE[code]
    return _NO_CODE.get(status) or Advice(f"{code}", Action.FIX, _NOT_CARRIED_OUT)


def codes(action: Action) -> frozenset[int]:
    """The codes of one action."""
    return frozenset(code for code, found in TABLE.items() if found.action is action)
