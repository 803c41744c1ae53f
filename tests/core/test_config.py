"""The configuration: layers, problems all at once, origins, and the way back to TOML."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, strategies as st

from ida_core import config, toml
from ida_core.config import Option, Settings, load, to_toml
from ida_core.errors import ConfigError
from ida_core.model import Filters
from ida_core.plugins import Plugins


class GridConfig(msgspec.Struct, frozen=True):
    quotes: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    gap_ticks: int = 2
    quantity: Decimal = Decimal("0.001")
    side: Literal["both", "bid", "ask"] = "both"
    weight: float = 0.5

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError(f"quantity = {self.quantity}: must be above 0")


class Grid:
    name = "grid"
    Config = GridConfig


class MakerConfig(msgspec.Struct, frozen=True):
    symbol: str
    api_key: str = ""


class Maker:
    name = "maker"
    Config = MakerConfig


class SimConfig(msgspec.Struct, frozen=True):
    queue: str = "risk_averse"
    latency_ms: Decimal | str = Decimal(5)
    prices: dict[str, Decimal] = {}


class Sim:
    name = "sim"
    Config = SimConfig


@pytest.fixture
def plugins() -> Plugins:
    checks = {name: object() for name in config.DEFAULT_RISK}
    reports = {name: object() for name in config.DEFAULT_REPORTS}
    strategies = {"grid": Grid, "maker": Maker}
    return Plugins(
        venues={"sim": Sim}, strategies=strategies, risk_checks=checks, reporters=reports
    )


def _problems(tmp_path: Path, text: str, plugins: Plugins | None, **kwargs: object) -> list[str]:
    file = tmp_path / "ida.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, plugins=plugins, environment={}, **kwargs)  # type: ignore[arg-type]
    assert caught.value.exit_code == 3
    return [problem.replace(str(file), "ida.toml") for problem in caught.value.problems]


def test_defaults_are_simulated() -> None:
    settings = load(environment={}).settings
    assert settings == Settings()
    assert settings.run.exchange == "sim"


CASES = {
    "unknown section": ("[gird]\n", "ida.toml:1: unknown section [gird]; did you mean 'grid'?"),
    "unknown key": (
        "[run]\nseeed = 1\n",
        "ida.toml:2: unknown key 'seeed' in [run]; did you mean 'seed'?",
    ),
    "unknown key of a plugin": (
        "[run]\n\n[grid]\n# far away\ngap = 3\n",
        "ida.toml:5: unknown key 'gap' in [grid]; did you mean 'gap_ticks'?",
    ),
    "wrong type": (
        "[run]\nseed = 'x'\n",
        "ida.toml:2: run.seed = 'x': expected a whole number, got text",
    ),
    "fraction for a count": (
        "[grid]\ngap_ticks = 1.5\n",
        "ida.toml:2: grid.gap_ticks = 1.5: expected a whole number, got a decimal number",
    ),
    "wrong type in a list": (
        "[run]\nsymbols = ['A',\n 1]\n",
        "ida.toml:2: run.symbols = ['A', 1]: expected text, got a whole number at item [1]",
    ),
    "neither of two": (
        "[sim]\nlatency_ms = [1]\n",
        "ida.toml:2: sim.latency_ms = [1]: expected a decimal number or text, got a list",
    ),
    "inside a table": (
        "[sim.prices]\nUSDT = 'x'\n",
        "ida.toml:2: sim.prices.USDT = 'x': invalid decimal string",
    ),
    "list wanted": (
        "run.symbols = 'BTCUSDT'\n",
        "ida.toml:1: run.symbols = 'BTCUSDT': expected a list, got text",
    ),
    "out of range": (
        "[grid]\nquotes = 21\n",
        "ida.toml:2: grid.quotes = 21: expected a whole number <= 20",
    ),
    "not finite": ("[grid]\nweight = nan\n", "ida.toml:2: grid.weight = NaN: must be finite"),
    "not among the allowed": (
        "[data]\non_damage = 'stopp'\n",
        "ida.toml:2: data.on_damage = 'stopp': not one of 'stop', 'skip'; did you mean 'stop'?",
    ),
    "rule of the plugin": (
        "[grid]\nside = 'bid'\nquantity = 0\n",
        "ida.toml:1: [grid]: quantity = 0: must be above 0",
    ),
    "missing key": ("[maker]\n", "ida.toml:1: [maker] lacks 'symbol', which has no default"),
    "value outside": ("seed = 1\n", "ida.toml:1: 'seed' stands outside any section"),
    "section that is a value": (
        "run = 3\n",
        "ida.toml:1: run = 3: expected a table, not a value",
    ),
    "filter": (
        "[instruments.BTCUSDT]\ntick_size = 0\n",
        "ida.toml:1: [instruments.BTCUSDT]: tick_size = 0: must be above 0",
    ),
    "instrument key": (
        '[instruments."usdm:BTCUSDT"]\nticksize = 0.1\n',
        "ida.toml:2: unknown key 'ticksize' in [instruments.usdm:BTCUSDT]; "
        "did you mean 'tick_size'?",
    ),
    "inline table": (
        "instruments = { A = { lotsize = 1 } }\n",
        "ida.toml:1: unknown key 'lotsize' in [instruments.A]; did you mean 'lot_size'?",
    ),
    "name of a strategy": (
        "[run]\nstrategies = ['girdd']\n",
        "ida.toml:2: no strategy is called 'girdd'; did you mean 'grid'?",
    ),
    "name of an exchange": (
        "[run]\nexchange = 'simm'\n",
        "ida.toml:2: no exchange is called 'simm'; did you mean 'sim'?",
    ),
    "not TOML": ("[run]\nseed = \n", "ida.toml:2: not TOML: invalid value"),
    "cut short": ("[run]\nseed = 'a", "ida.toml:2: not TOML: "),
    "twice": ("[run]\nseed = 1\nseed = 2\n", "ida.toml:3: not TOML: cannot overwrite a value"),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_a_problem_has_its_line_and_the_nearest_name(
    tmp_path: Path, plugins: Plugins, text: str, wanted: str
) -> None:
    (problem,) = _problems(tmp_path, text, plugins)
    assert problem.startswith(wanted)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(
    tmp_path: Path, plugins: Plugins
) -> None:
    text = "[grid]\nquotes = 99\nsid = 'x'\n[run]\nseed = -1\n[jornal]\n"
    sets = ["journal.segment_mib=0"]
    problems = _problems(tmp_path, text, plugins, sets=sets)
    assert [problem.split(": ")[0] for problem in problems] == [
        "ida.toml:2", "ida.toml:3", "ida.toml:5", "ida.toml:6", "--set journal.segment_mib=0",
    ]


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda path: None, "cannot read: No such file"),
        (lambda path: path.mkdir(), "cannot read: Is a directory"),
        (lambda path: path.write_bytes(b"[run]\n\xff"), "not UTF-8 at byte 6"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, make, wanted: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ida.toml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load(path, environment={})
    assert wanted in caught.value.problems[0]


def test_layers_win_in_order_and_say_so(tmp_path: Path, plugins: Plugins) -> None:
    file = tmp_path / "ida.toml"
    file.write_text("[run]\nseed = 2\nout = 'a'\nspeed = 5\n\n[grid]\nquotes = 4\n")
    loaded = load(
        file,
        plugins=plugins,
        options=[
            Option("run.seed", 3, "--seed"),
            Option("run.strategies", ("grid",), "--strategy"),
        ],
        sets=["grid.gap_ticks=7", "sim.queue=power(2)", "sim.latency_ms=normal(5, 1)"],
        environment={"IDA_SET": "run.out=b; grid.quotes=5"},
    )
    run, origins = loaded.settings.run, loaded.origins
    assert (run.seed, run.out, run.speed, run.strategies) == (3, "b", 5.0, ("grid",))
    assert loaded.settings.section("grid", GridConfig) == GridConfig(quotes=5, gap_ticks=7)
    assert loaded.settings.section("sim", SimConfig).queue == "power(2)"
    assert loaded.settings.section("sim", SimConfig).latency_ms == "normal(5, 1)"
    assert origins["run.seed"] == "option --seed"
    assert origins["run.out"] == "IDA_SET run.out=b"
    assert origins["run.speed"] == f"{file}:4"
    assert origins["run.log_level"] == "default"
    assert origins["grid.gap_ticks"] == "--set grid.gap_ticks=7"
    assert origins["grid.weight"] == "default"


def test_text_that_looks_like_a_number_is_text_where_text_is_wanted() -> None:
    settings = load(sets=["run.out=5", "run.symbols=['A']"], environment={}).settings
    assert (settings.run.out, settings.run.symbols) == ("5", ("A",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1e99999999", "ida.toml:1: not TOML: a number too long to be read"),
        ("a = 1e99999999999999999999", "ida.toml:1: not TOML: a number too long to be read"),
        (f"a = {'9' * 5000}", "ida.toml:1: not TOML: a number too long to be read"),
        (f"a = {'[' * 5000}", "ida.toml:1: not TOML: brackets nested too deeply"),
        ('[sim]\nlatency_ms = "1"\nprices = { a = "1e99999999" }',
         "ida.toml:3: sim.prices.a = '1e99999999': must be a finite number of at most 400 digits"),
    ],
)  # fmt: skip
def test_what_no_machine_can_hold_is_a_problem(tmp_path: Path, plugins: Plugins, text: str, told: str) -> None:
    assert _problems(tmp_path, text, plugins) == [told]


def test_a_table_s_table_tells_the_line_of_an_unknown_section(tmp_path: Path, plugins: Plugins) -> None:
    text = '[run]\n[instrument."usdm:BTCUSDT"]\ntick_size = 1\nlot_size = 1\n'
    told = "ida.toml:2: unknown section [instrument]; did you mean 'instruments'?"
    assert _problems(tmp_path, text, plugins) == [told]


@pytest.mark.parametrize("text", ["grid", "=1", "grid=1", "a b=1", "run.seed.deep=1", "#=1", "a.b # =1", "{}=1"])
def test_a_malformed_set_is_a_problem(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(sets=[text], environment={}, options=[Option("run.seed", 1, "--seed")])
    assert f"--set {text}" in caught.value.problems[0]


def test_a_section_read_alone_reports_its_problems_too() -> None:
    settings = Settings(sections={"grid": {"quotes": 0, "gap": 1}})
    with pytest.raises(ConfigError) as caught:
        settings.section("grid", GridConfig)
    assert len(caught.value.problems) == 2


def test_a_left_out_plugin_leaves_its_section_and_its_defaults_alone(plugins: Plugins) -> None:
    plugins.complete = False
    del plugins.risk_checks["drawdown"]
    settings = load(sets=["gone.x=1"], plugins=plugins, environment={}).settings
    assert settings.sections["gone"] == {"x": 1}
    assert "drawdown" not in settings.run.risk


def test_the_effective_configuration_loads_back_equal(tmp_path: Path, plugins: Plugins) -> None:
    file = tmp_path / "ida.toml"
    file.write_text(
        "[run]\nsymbols = ['BTCUSDT', 'a\"b\\u007f\\n']\nstrategies = ['grid']\nduration_s = 1.5\n"
        "[grid]\nquantity = 0.0000100\nweight = 0.1\n"
        '[instruments."usdm:BTCUSDT"]\ntick_size = 0.10\nmax_orders = 5\n'
    )
    settings = load(file, plugins=plugins, environment={}).settings
    again = tmp_path / "run.toml"
    again.write_text(to_toml(settings))
    assert load(again, plugins=plugins, environment={}).settings == settings
    assert "quantity = 0.0000100\n" in again.read_text()
    assert settings.section("grid", GridConfig).quantity == Decimal("0.0000100")


def test_secrets_are_masked(plugins: Plugins) -> None:
    sets = ["maker.symbol=TOKEN", "maker.api_key=hunter2"]
    text = to_toml(load(sets=sets, plugins=plugins, environment={}).settings)
    assert "hunter2" not in text
    assert 'api_key = "***"' in text
    assert 'symbol = "TOKEN"' in text


def test_filters_set_by_hand_replace_the_venue_s() -> None:
    mine = config.InstrumentSettings(max_orders=5)
    venue = Filters(min_notional=Decimal(5), max_orders=200)
    assert mine.filters(venue) == Filters(min_notional=Decimal(5), max_orders=5)
    barred = Filters(oco_allowed=False, max_orders=200)
    assert mine.filters(barred) == Filters(oco_allowed=False, max_orders=5), "what is not said here is not allowed"
    assert mine.given() == {"max_orders": 5}


def test_the_schema_is_one_and_knows_the_plugins(tmp_path: Path, plugins: Plugins) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = config.json_schema(plugins)
    jsonschema.Draft202012Validator.check_schema(schema)
    settings = load(sets=["grid.quotes=4"], plugins=plugins, environment={}).settings
    document = json.loads(json.dumps(toml.parse(to_toml(settings)), default=float))
    jsonschema.validate(document, schema)
    for wrong in ({"gird": {}}, {"grid": {"gap": 1}}, {"grid": {"quotes": 99}}, {"run": {"x": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


_KEYS = st.text(min_size=1, max_size=5)
_LEAVES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=8),
    st.decimals(allow_nan=False, allow_infinity=False, places=8),
    st.datetimes(), st.dates(),
)
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3)
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_any_document_written_reads_back_and_has_its_lines(document: dict[str, object]) -> None:
    text = toml.dump(document)
    assert toml.parse(text) == document
    lines, rows = toml.key_lines(text), text.split("\n")
    for key, _ in config.leaves(document):
        assert 1 <= lines[key] <= len(rows)
