"""Every error code, with what it means and what to do: what ``ida explain`` prints.

The thousands are the exit code: 1 a bug, 2 usage, 3 configuration or plugin, 4 venue or network,
5 stopped by risk, 6 authentication or permission, 7 data damaged or missing.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """One code's page: what happened, what it means, what to do about it."""

    title: str
    meaning: str
    action: str


CODES = {
    "IDA-E1000": Code(
        "a bug of ours",
        "Something happened that Ida's own code should have made impossible.",
        "Run again with --traceback and file an issue with what it prints.",
    ),
    "IDA-E1100": Code(
        "a price or quantity between two steps",
        "A price must be a whole number of ticks and a quantity a whole number of lots. A value "
        "that lies between two was neither rounded nor sent.",
        "In a strategy, round on purpose: instrument.floor_to_tick, ceil_to_tick, floor_to_lot. "
        "If the value came from a recording, its tick size is not the configured one: set "
        "tick_size or lot_size in [instruments.SYMBOL].",
    ),
    "IDA-E1200": Code(
        "an order in a state that cannot be",
        "An execution report asks for a transition that no order can make.",
        "The venue changed its protocol, or Ida has a bug: file an issue with the run's journal.",
    ),
    "IDA-E2000": Code(
        "the command was not understood",
        "An argument is missing, unknown or does not fit another.",
        "`ida COMMAND --help` shows what there is, with examples.",
    ),
    "IDA-E2001": Code(
        "no such error code",
        "`ida explain` was asked for a code that Ida does not have.",
        "`ida explain` without a code lists them all.",
    ),
    "IDA-E2002": Code(
        "no such order in the run",
        "The run's journal holds no order of that client order id.",
        "The report's fills and orders show the ids; fills.csv lists them too.",
    ),
    "IDA-E2003": Code(
        "a name that cannot be a package's",
        "The name of a new plugin becomes a Python package and the word that users write, so it "
        "must be a lower-case identifier that nothing else is called.",
        "Choose another name; the message says which rule was broken.",
    ),
    "IDA-E2004": Code(
        "the folder is there already",
        "`ida new` writes into a folder of its own and never over what is there.",
        "Choose another name, or another place with --into.",
    ),
    "IDA-E3000": Code(
        "the configuration is wrong",
        "A setting contradicts another, or cannot be used.",
        "The message names the setting, its value and the rule. `ida config show` tells where "
        "each value comes from.",
    ),
    "IDA-E3001": Code(
        "the configuration has problems",
        "Sections, keys or values are unknown, of the wrong type or out of range. All of them "
        "are listed, each with its file and line or the option it came from.",
        "Correct each line; the nearest valid name stands beside an unknown one. "
        "`ida config check FILE` tells whether all is well, `ida config schema` is the whole list.",
    ),
    "IDA-E3003": Code(
        "no strategy was named",
        "A run needs at least one strategy, by its name.",
        "Say --strategy NAME, or strategies = [\"NAME\"] in [run]. ida plugins lists what there is.",
    ),
    "IDA-E3004": Code(
        "a symbol is not in the feed",
        "The recordings that were named hold no market data of a symbol that was asked for, or that a limit was "
        "set for.",
        "Spell it as the venue does (BTCUSDT, or usdm:BTCUSDT where two markets spell it alike), or "
        "leave --symbol out to take all that the feed has.",
    ),
    "IDA-E3010": Code(
        "an instrument is set up wrongly",
        "A section [instruments.SYMBOL] names a symbol that the recording does not hold, or a tick or "
        "lot size that cannot be.",
        "Spell the symbol as the recording does; sizes are decimals above 0, as in tick_size = 0.01.",
    ),
    "IDA-E3020": Code(
        "an address that is not of this environment",
        "The base address that was given cannot be one, or belongs to another environment of the exchange: live, "
        "testnet and demo are never mixed.",
        "Leave the address out to reach the exchange itself, name the feed it belongs to, or give the base of a server "
        "of your own, as in http://127.0.0.1:9000.",
    ),
    "IDA-E3021": Code(
        "a stream that the exchange does not have",
        "The name of a market data stream is not one of the exchange's; it would be subscribed to and never speak.",
        "Mind the suggested name. Symbols are lower case, all else is case-sensitive, as in btcusdt@kline_1M.",
    ),
    "IDA-E3100": Code(
        "a plugin cannot be used",
        "A plugin failed in a way that its user, not Ida, can mend.",
        "The message names the plugin, the hook and the line. `ida plugins` lists them all; "
        "--no-plugin NAME leaves one out.",
    ),
    "IDA-E3101": Code(
        "nothing is called so",
        "A strategy, risk check, report or exchange was asked for by a name that no loaded plugin "
        "provides. Plugins that were skipped are listed with the reason: it may be one of theirs.",
        "Mind the suggested name, or mend the skipped plugin; `ida plugins` shows all names.",
    ),
    "IDA-E3102": Code(
        "plugins contradict each other",
        "Two plugins provide the same name, or would have the same section of the configuration, or "
        "--no-plugin names nothing.",
        "Rename one of them; --no-plugin NAME leaves one of two out.",
    ),
    "IDA-E3103": Code(
        "the plugins folder is not there",
        "--plugins-dir names a folder that does not exist.",
        "Give the folder that holds the one-file plugins (*.py).",
    ),
    "IDA-E3104": Code(
        "there is no plugin to test",
        "`ida plugins test` was given a path or name where no plugin is, one that cannot be imported, or one "
        "that provides nothing.",
        "Give a file, the folder of a package or of its project, or a name that `ida plugins` shows. A plugin "
        "provides what its functions marked @ida_core.hookimpl return.",
    ),
    "IDA-E3105": Code(
        "a plugin breaks its contract",
        "`ida plugins test` held all that a plugin provides to its contract, and some rules are broken; each is "
        "named with what came, and file and line where they are known.",
        "Mend what is named; docs/hooks.md says what is asked of each kind of plugin and why.",
    ),
    "IDA-E3023": Code(
        "a folder of another environment",
        "The folder for results holds runs of another environment: simulated, on a test network, or with real money. "
        "They are kept apart, so that none is taken for another. Nothing was sent.",
        "Name another folder: --out DIR, or out in [run].",
    ),
    "IDA-E4000": Code(
        "the venue or the network failed",
        "The exchange could not be used as asked.",
        "The message says what was tried. Orders whose outcome is not known are asked for again.",
    ),
    "IDA-E4100": Code(
        "the venue cannot be reached",
        "A request was not sent: nothing happened at the exchange.",
        "It is safe to try again; check the network and the exchange's status page.",
    ),
    "IDA-E4110": Code(
        "the exchange's name is not known",
        "The host name of a connection could not be turned into an address: there is no network, no name server, or "
        "the name is misspelt. Nothing was sent.",
        "Check the network and the URL that the message names.",
    ),
    "IDA-E4111": Code(
        "nobody answers at the address",
        "The connection was refused, no way leads there, or no answer came in time. Nothing was sent.",
        "Check the URL that the message names, the network and a firewall; then the exchange's status page.",
    ),
    "IDA-E4112": Code(
        "the server refused the WebSocket",
        "What answers speaks HTTP and gave a status of its own instead of opening a WebSocket: the path is wrong, too "
        "many connections were tried (429), the address is banned (418), or the service is down (5xx).",
        "The message has status and words. After 429 and 418 wait: each further try makes it longer.",
    ),
    "IDA-E4115": Code(
        "a port that cannot be listened on",
        "Another program has the port already, or it is one that only the administrator may use.",
        "Give another one: --port 0 takes one that is free, and the first line printed says which.",
    ),
    "IDA-E4120": Code(
        "an answer that cannot be understood",
        "What answered is not the exchange that was asked for, or it changed its protocol: the message says what was "
        "asked, and what came.",
        "Look at the address: something else may listen there, such as a proxy or a login page of the network.",
    ),
    "IDA-E4121": Code(
        "a certificate that is not trusted",
        "The server's certificate is not signed by whom this machine trusts, is of another name, or has expired; or "
        "encryption could not be agreed on. Nothing was sent.",
        "For a server of your own, name its certificate: ca_file in the feed's section. For the exchange itself, the "
        "clock of this machine may be wrong, or something stands between.",
    ),
    "IDA-E4150": Code(
        "the archive does not answer",
        "The server with the historical files was not reached, or failed several times.",
        "Look at the network and at --url, then give the same command again: it goes on where it was left.",
    ),
    "IDA-E4200": Code(
        "too many requests",
        "The exchange's rate limit is used up; going on would get the address banned.",
        "Wait as long as the message says. Lower the order rate or the number of symbols.",
    ),
    "IDA-E4210": Code(
        "the address is banned",
        "The exchange has banned this network address for too many requests. Nothing more is sent until the ban ends: "
        "each further request would make it longer.",
        "Wait until the time that the message says, and look for other programs on the same address. A run goes on "
        "with its books marked stale, and ends if the ban outlasts its patience.",
    ),
    "IDA-E4220": Code(
        "the account was not fit to trade in time",
        "Before a strategy is started, open orders, trades and balances are read from the exchange; that did not come "
        "to an end within a minute. Nothing was placed.",
        "See what the venue said before it in log.jsonl (`state`); try again, or look at the exchange's status page.",
    ),
    "IDA-E4300": Code(
        "the venue refused a request",
        "The exchange understood the request and said no; its own code and words are given.",
        "Correct what its message names: most often a filter, a balance or a permission.",
    ),
    "IDA-E4400": Code(
        "the outcome of a request is not known",
        "A request was sent and no answer came. The order may or may not exist; risk counts it "
        "as the worse of both until the exchange has been asked.",
        "Do not send it again by hand; look at the open orders first.",
    ),
    "IDA-E5000": Code(
        "stopped by risk",
        "A risk check stopped the run: a limit was passed. Open orders were cancelled.",
        "Look at the report, then decide whether the limit or the strategy is wrong.",
    ),
    "IDA-E6000": Code(
        "not allowed",
        "A key is missing, wrong, or lacks a permission. Nothing was sent.",
        "Check the key, its environment and its permissions.",
    ),
    "IDA-E6001": Code(
        "there is no API key",
        "No key of that environment is sealed on this machine, or none of that name. Nothing was sent.",
        "`ida keys list` shows what there is, `ida keys add NAME --exchange ENVIRONMENT` seals one.",
    ),
    "IDA-E6002": Code(
        "real money takes a sealed key",
        "A run with real money trades with a key that was sealed for it, and with no other source. Nothing was sent.",
        "Seal one: `ida keys add NAME --exchange NAME_OF_THE_EXCHANGE`.",
    ),
    "IDA-E6003": Code(
        "there is a key of that name",
        "Nothing was changed.",
        "Choose another name, or remove the key first: `ida keys remove NAME`.",
    ),
    "IDA-E6004": Code(
        "a key of another environment",
        "The file of a sealed key lies where another environment's keys are, or under another name. It is not used.",
        "Put it back, or add the key again for the environment it is of.",
    ),
    "IDA-E6005": Code(
        "the passphrase",
        "It is not the one that the key was sealed with, or there is no way to ask for it. Nothing was sent.",
        "Type it again; where nobody sits at a terminal give it by a file descriptor (passphrase = \"fd:N\") or as the "
        "systemd credential ida-passphrase. It is written nowhere: a forgotten one means a new key.",
    ),
    "IDA-E6006": Code(
        "the file of a sealed key is damaged or open",
        "It is not what was written, or others than its owner can read it. It is not used.",
        "Say chmod 600 where others can read it, and think about what they may have read; add the key again if it is "
        "damaged.",
    ),
    "IDA-E6007": Code(
        "the key may do too much, or too little",
        "Real money is traded by keys that may trade, cannot withdraw and are bound to addresses. Nothing was placed.",
        "Change its restrictions on the exchange's page of API keys; what you want otherwise can be said by name in "
        "the configuration.",
    ),
    "IDA-E6010": Code(
        "LIVE without limits",
        "A run with real money needs a bound on one order, on the position and on the loss, in the configuration. "
        "Nothing was sent.",
        "Set for example [max_notional] limit, [max_position] limit and [daily_loss] limit; `ida plan` shows them.",
    ),
    "IDA-E6011": Code(
        "LIVE was not armed",
        "A run with real money begins only by a phrase typed at a terminal, or by a token. Nothing was sent.",
        "Type the phrase, or make a token with `ida plan ... --arm --cap AMOUNT` and give it with --arm.",
    ),
    "IDA-E6012": Code(
        "the token does not arm this run",
        "It was not made on this machine, has expired, or is for another exchange or configuration. Nothing was sent.",
        "Look at `ida plan` with the same arguments, then make another token with --arm.",
    ),
    "IDA-E7000": Code(
        "data damaged or missing",
        "A recording or a journal cannot be read as it should.",
        "`ida data check FILE` names each fault with its line. on_damage = 'skip' in [data] goes "
        "on past a damaged line and counts it.",
    ),
    "IDA-E7001": Code(
        "not a run directory",
        "The folder does not exist or holds no journal, from which everything about a run is read.",
        "Give the folder that `ida run` printed, as in runs/20260101-120000-1a2b.",
    ),
    "IDA-E7002": Code(
        "no prices to trade on",
        "The simulated exchange needs a recording or the synthetic market, and the one it was given "
        "holds no market data for the symbols of the run.",
        "Say --feed FILE (repeatable) or --feed synthetic. ida data check FILE tells what is in it.",
    ),
    "IDA-E7003": Code(
        "not a recording that is known",
        "No loaded format of recordings recognises the beginning of the file.",
        "The raw form has one message a line, <local stamp of 16 or 19 digits> <JSON>, plain or gzip. "
        "ida plugins shows the formats that are loaded.",
    ),
    "IDA-E7004": Code(
        "a recorded price does not fit the book",
        "A price or quantity in the recording lies beyond what the book of this run can hold.",
        "Run ida data check FILE: the line is probably damaged. on_damage = 'skip' in [data] passes "
        "over lines that cannot be read.",
    ),
    "IDA-E7010": Code(
        "a damaged line in a recording",
        "A line cannot be read: it is no JSON, was cut short, lacks its stamp, or holds a price between "
        "two ticks. The message names file, line, column and what stands there; nothing was run.",
        "`ida data check FILE` lists every fault. on_damage = 'skip' in [data] passes over such lines "
        "and counts them; the book is then only as good as the lines that are left.",
    ),
    "IDA-E7011": Code(
        "a recording that cannot be read",
        "The file is not there, may not be read, or the disk failed.",
        "Look at the path and its permissions.",
    ),
    "IDA-E7012": Code(
        "a recording without market data",
        "The file has the right form, but none of its lines is a market data message that Ida knows.",
        "`ida data check FILE` counts what is in it and what was passed over.",
    ),
    "IDA-E7013": Code(
        "two recordings of one symbol overlap",
        "The same trades or book updates, by their ids, are in both files: a run on both would trade every lot of that "
        "time twice.",
        "Give one of the two. Files of one symbol that follow each other share no id and belong together.",
    ),
    "IDA-E7014": Code(
        "a recording of another market",
        "The server speaks the API of the spot market. Books of futures chain their updates in another way and have "
        "messages of their own, so a recording of futures cannot be replayed by it.",
        "Give a recording of the spot market. A run takes the others: `ida run --feed FILE`.",
    ),
    "IDA-E7020": Code(
        "a journal or run directory that cannot be read",
        "The journal is missing, damaged, or was written by another version. What lies before the damage "
        "is sound: a torn tail is cut at the last whole record.",
        "`ida report RUN` tells what can still be known of the run.",
    ),
    "IDA-E7030": Code(
        "a converted recording that is damaged",
        "Recordings are converted once and kept in the cache; this copy is not what was written.",
        "Delete it (`ida data ls` shows where it is); it is made again from the recording.",
    ),
    "IDA-E7040": Code(
        "not a file of the archive",
        "A downloaded file is no zip with one CSV in it, although its checksum is right.",
        "Look at the file. If the archive's own is damaged, leave its day or month out with --from and --to.",
    ),
    "IDA-E7041": Code(
        "a file is not what its checksum says",
        "The archive's file was fetched twice, and its SHA-256 was not that of the .CHECKSUM file beside it.",
        "Try again later: the archive may be replacing the file. Nothing of it was kept.",
    ),
    "IDA-E7042": Code(
        "the archive has nothing of it",
        "No file of the symbol exists there for any of the days asked for.",
        "Check the spelling, the market (--market) and the days. A day appears when it is over, a month on the first "
        "Monday of the next.",
    ),
    "IDA-E7100": Code(
        "a gap in the book",
        "Updates of the order book are missing, doubled or out of order, so the book cannot be "
        "trusted until a new snapshot.",
        "`ida data check FILE` shows where. Use a recording without the gap, or let the run go on "
        "stale until the next snapshot.",
    ),
    "IDA-E7200": Code(
        "the result cannot be written",
        "The disk is full or the folder cannot be written. What was journaled before is whole.",
        "Make room or choose another folder with --out.",
    ),
    "IDA-E7201": Code(
        "the run directory cannot be made",
        "The folder for results does not exist and cannot be made, or cannot be written.",
        "Name another folder with --out DIR, or free some room.",
    ),
    "IDA-E7210": Code(
        "the journal or the log cannot be written",
        "The disk is full or failed while the run went on. The run was stopped; everything journaled "
        "before is whole, and `ida report RUN` works on it.",
        "Make room. The journal takes room ahead of need: segment_mib in [journal] is how much.",
    ),
    "IDA-E7220": Code(
        "a converted recording cannot be kept",
        "Neither the cache nor the folder for temporary files can be written.",
        "Make room, or set IDA_CACHE_DIR to a folder that can be written.",
    ),
    "IDA-E7230": Code(
        "a report cannot be written",
        "The run itself is whole in its journal; only this report is missing.",
        "`ida report RUN --out DIR` makes it again in another folder.",
    ),
    "IDA-E7240": Code(
        "a recording cannot be written",
        "The folder for recorded market data cannot be made or written, the disk is full, or a name is in use there. "
        "What was recorded before is whole.",
        "Make room or choose another folder.",
    ),
}
