"""`ant models`, `ant messages` and `ant api`, against the emulator and beside the official SDK."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anthropic
import pytest
import yaml

from ant_wif.emulator import Emulator, Fault
from support import preloaded
from support.loopback import Recorded, Scripted, TokenEndpoint, models, stream
from support.samples import MODEL
from support.terminal import end_input, in_a_pipe, in_a_terminal, rest

from .conftest import Ant, Outcome

TOKEN = "sk-ant-oat01-EXAMPLE-of-a-token"
HELLO = '{role: user, content: "Hello, Claude"}'
CREATE = ("messages", "create", "--model", MODEL, "--max-tokens", "64")

Run = Callable[..., Outcome]


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.clear_faults()
    return running


@pytest.fixture
def run(ant: Ant, emulator: Emulator) -> Run:
    """Run `ant` with a key of the emulator."""
    return lambda *words: ant(*words, ANTHROPIC_API_KEY=emulator.api_key, ANTHROPIC_BASE_URL=emulator.base_url)


@pytest.fixture
def wire() -> Iterator[TokenEndpoint]:
    with TokenEndpoint(body={"data": [], "has_more": False, "input_tokens": 3}) as endpoint:
        yield endpoint


@pytest.fixture
def answered(ant: Ant) -> Run:
    """Run `ant` with these words, whose one request a server answers with this body of this type."""

    def run(*words: str, body: bytes, kind: str) -> Outcome:
        headers = {"Content-Type": kind, "Content-Length": str(len(body))}
        with Scripted(lambda _: (200, headers, body)) as endpoint:
            return ant(*words, ANTHROPIC_API_KEY=TOKEN, ANTHROPIC_BASE_URL=endpoint.base_url)

    return run


def alone(url: str, key: str = TOKEN) -> dict[str, str]:
    """The environment of a process of its own."""
    return {"ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": url, "HOME": "/nonexistent"}


def piped(emulator: Emulator, *words: str, body: str) -> Outcome:
    """Run `ant` in a process of its own, with something on its stdin."""
    environ = alone(emulator.base_url, emulator.api_key)
    done = preloaded.run(
        [sys.executable, "-m", "ant_cli", *words], input=body, env=environ, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class TestModels:
    def test_one_model_is_printed_by_its_id(self, run: Run) -> None:
        assert run("models", "retrieve", MODEL).json()["id"] == MODEL
        named = run("models", "retrieve", "--model-id", "claude-haiku-4-5", "--transform", "display_name", "-r")
        assert named.out == "Claude Haiku 4.5\n"

    def test_an_id_that_there_is_not_is_an_error_with_the_request_id(self, run: Run) -> None:
        outcome = run("models", "retrieve", "../messages")
        assert outcome.status == 1
        assert "HTTP 404, request id req_" in outcome.err
        assert outcome.out == ""

    @pytest.mark.parametrize("wanted", [".", "..", "x" * 300])
    def test_what_can_be_no_id_is_wrong_usage(self, run: Run, wanted: str) -> None:
        assert run("models", "retrieve", wanted).status == 2

    def test_no_id_is_wrong_usage(self, run: Run) -> None:
        assert run("models", "retrieve").status == 2
        assert run("models", "retrieve", MODEL, "--model-id", MODEL).status == 2

    def test_ten_thousand_are_printed_with_the_first_out_before_the_second_page(self, home: Path) -> None:
        first_line = threading.Event()
        with models(10_000) as endpoint:
            whole = endpoint.answer

            def answer(request: Recorded) -> tuple[int, dict[str, str], bytes]:
                # The second page comes when the first line was read, and not before.
                assert "after_id" not in request.path or first_line.wait(30)
                return whole(request)

            endpoint.answer = answer  # type: ignore[method-assign]
            environ = {"ANTHROPIC_AUTH_TOKEN": TOKEN, "ANTHROPIC_BASE_URL": endpoint.base_url, "HOME": str(home)}
            words = [sys.executable, "-m", "ant_cli", "models", "list", "--transform", "id", "-r"]
            with preloaded.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                lines = [process.stdout.readline()]
                first_line.set()
                lines += process.stdout
            assert [int(line) for line in lines] == list(range(10_000))
            assert len(endpoint.requests) == 100

    @pytest.mark.usefixtures("short_pauses")
    @pytest.mark.parametrize("second", [(500, b"{}"), (401, b"{}"), (200, b'{"data": [{"id'), (200, b'{"data": 1}')])
    def test_a_second_page_that_fails_leaves_the_lines_of_the_first(self, ant: Ant, second: tuple[int, bytes]) -> None:
        first = {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"}
        status, body = second
        broken = (status, {"Content-Length": str(len(body) + 9 * (status == 200)), "retry-after": "999"}, body)
        with Scripted(lambda request: broken if "after_id" in request.path else first) as endpoint:
            outcome = ant("models", "list", ANTHROPIC_API_KEY=TOKEN, ANTHROPIC_BASE_URL=endpoint.base_url)
        assert [json.loads(line)["id"] for line in outcome.out.splitlines()] == ["a", "b"]
        assert outcome.status == (4 if status == 401 else 1)
        assert outcome.err.startswith("error: ")

    def test_a_reader_that_has_had_enough_ends_it_quietly(self) -> None:
        with models(10_000) as endpoint:
            line = 'ant models list --transform id -r | head -1; echo "${PIPESTATUS[0]}"'
            environ = {**alone(endpoint.base_url), "PATH": f"{preloaded.programs()}:/usr/bin:/bin"}
            done = subprocess.run(["bash", "-c", line], env=environ, capture_output=True, text=True, check=False)
            assert (done.stdout, done.stderr) == ("0\n0\n", "")
            assert len(endpoint.requests) < 50


class TestMessages:
    def test_a_message_is_answered(self, run: Run) -> None:
        found = run(*CREATE, "--message", HELLO).json()
        assert found["content"] == [{"type": "text", "text": "Hello, Claude"}]

    def test_the_body_on_stdin_is_merged_with_the_options_which_win(self, emulator: Emulator) -> None:
        body = "model: none\nmax_tokens: 64\nmessages:\n  - role: user\n    content: |\n      no\n"
        outcome = piped(
            emulator, "messages", "create", "--model", MODEL, "--transform", "[model, content[0].text]", body=body
        )
        assert json.loads(outcome.out) == [MODEL, "no\n"]

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ("a: [1", "line 1, column 6"),
            ('{"a": 1,\n "b": }}', "line 2"),
            ("a: 1\nb: *c\n", "line 2, column 4: an alias"),
            ("a: 1\na: 2\n", "line 2, column 1: the field 'a' stands twice"),
            ("- 1", "holds a list, and an object is wanted"),
            ("a: \x01", "line 1, column 4"),
            ("[" * 5000, "nested too deep"),
            ("a: " + "1" * 5000, "number is too long"),
            ("a: !!python/name:os.system", "line 1, column 4"),
        ],
    )
    def test_a_body_that_is_neither_json_nor_yaml_is_refused_by_line_and_column(
        self, emulator: Emulator, body: str, says: str
    ) -> None:
        outcome = piped(emulator, "messages", "create", body=body)
        assert (outcome.status, outcome.out) == (2, "")
        assert says in outcome.err

    def test_a_pipe_without_a_writer_is_not_waited_for_in_silence(self, emulator: Emulator) -> None:
        environ = alone(emulator.base_url, emulator.api_key)
        with in_a_pipe(*CREATE, "--message", HELLO, "--transform", "role", environ=environ) as child:
            child.expect("waiting for a body on stdin; add < /dev/null where there is none")
            end_input(child)
            assert rest(child) == (0, '\n"assistant"\n')

    def test_a_body_that_is_not_text_is_refused(self, emulator: Emulator) -> None:
        environ = {"ANTHROPIC_API_KEY": emulator.api_key, "HOME": "/nonexistent"}
        words = [sys.executable, "-m", "ant_cli", "messages", "create"]
        done = preloaded.run(words, input=b"\xc3\x28", env=environ, capture_output=True, check=False)
        assert done.returncode == 2
        assert b"not text in UTF-8 (byte 0)" in done.stderr

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "missing: --model, --max-tokens, --message"),
            (("--message", "hello"), "a text cannot be used here; write '{role: user, content: "),
            (("--message", "{role: user"), "line 1, column 12"),
            (("--message", HELLO, "--messages", "[]"), "--message and --messages are two ways"),
            (("--temprature", "1"), "--temprature"),
            (("--max-tokens", "many"), "'many' is not a whole number"),
            (("--max-tokens", "0"), "0 is not in the range"),
            (("--model", ""), "is empty"),
            (("--system", "@/nonexistent/prompt.txt"), "cannot be read: No such file or directory"),
            (("--message", "{role: user, content: '@'}"), "names no file"),
            (("--message", "{role: user, content: !!bool maybe}"), "line 1, column 23: a tag"),
            (("--message", "!!map [a]"), "line 1, column 1: a tag"),
            (("--tools", "[1e999]"), "line 1, column 2: a number is too large"),
            ((*CREATE[2:], "--message", HELLO, "--beta", "ü"), "--beta is the name of a feature"),
            ((*CREATE[2:], "--message", HELLO, "--beta", "a\r\nX: y"), "--beta is the name of a feature"),
            ((*CREATE[2:], "--message", HELLO, "--beta", ""), "--beta is the name of a feature"),
        ],
    )
    def test_what_cannot_be_meant_is_wrong_usage(self, run: Run, words: tuple[str, ...], says: str) -> None:
        outcome = run("messages", "create", *words)
        assert (outcome.status, outcome.out) == (2, "")
        assert says in outcome.err

    def test_files_stand_for_their_contents_where_an_option_names_them(
        self, ant: Ant, wire: TokenEndpoint, tmp_path: Path
    ) -> None:
        (tmp_path / "prompt.txt").write_text("Be brief.\n")
        (tmp_path / "scan.pdf").write_bytes(b"%PDF\xff\x00")
        source = f'{{type: base64, media_type: application/pdf, data: "@{tmp_path}/scan.pdf"}}'
        message = rf'{{role: user, content: [{{type: document, source: {source}}}, {{type: text, text: "\\@ada"}}]}}'
        words = ["--system", f"@{tmp_path}/prompt.txt", "--message", message]
        words += ["--metadata", f'{{user_id: "@data://{tmp_path}/prompt.txt", b: "@file://{tmp_path}/prompt.txt"}}']
        outcome = ant(*CREATE, *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert outcome.status == 0, outcome.err
        sent = wire.requests[0].fields
        assert sent["system"] == "Be brief.\n"
        document, text = sent["messages"][0]["content"]  # type: ignore[index]
        assert document["source"]["data"] == base64.b64encode(b"%PDF\xff\x00").decode()
        assert text["text"] == "@ada"
        assert sent["metadata"] == {"user_id": base64.b64encode(b"Be brief.\n").decode(), "b": "Be brief.\n"}

    def test_a_structure_may_stand_in_a_file(self, ant: Ant, wire: TokenEndpoint, tmp_path: Path) -> None:
        (tmp_path / "tools.yaml").write_text("- name: now\n  description: '@/etc/passwd'\n")
        (tmp_path / "one.json").write_text(json.dumps({"role": "user", "content": "hi"}))
        words = ["--message", f"@{tmp_path}/one.json", "--tools", f"@file://{tmp_path}/tools.yaml"]
        outcome = ant(*CREATE, *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert outcome.status == 0, outcome.err
        sent = wire.requests[0].fields
        assert sent["messages"] == [{"role": "user", "content": "hi"}]
        assert sent["tools"] == [{"name": "now", "description": "@/etc/passwd"}]

    def test_a_binary_file_is_not_sent_as_text(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "scan.pdf").write_bytes(b"\xff")
        outcome = run(*CREATE, "--message", HELLO, "--system", f"@file://{tmp_path}/scan.pdf")
        assert outcome.status == 2
        assert f"write @data://{tmp_path}/scan.pdf" in outcome.err

    def test_a_body_from_elsewhere_cannot_name_files(self, emulator: Emulator) -> None:
        body = json.dumps({"messages": [{"role": "user", "content": "@/etc/passwd"}]})
        outcome = piped(emulator, *CREATE, "--transform", "content[0].text", "-r", body=body)
        assert outcome.out == "@/etc/passwd\n"

    def test_words_that_yaml_of_old_took_for_something_else_are_texts(self, run: Run) -> None:
        for text in ("no", "2026-11-23", "0x1F", "12:30"):
            outcome = run(
                *CREATE, "--message", f"{{role: user, content: {text}}}", "--transform", "content[0].text", "-r"
            )
            assert outcome.out == f"{text}\n", outcome.err

    def test_tokens_are_counted(self, run: Run) -> None:
        found = run("messages", "count-tokens", "--model", MODEL, "--message", HELLO).json()
        assert isinstance(found["input_tokens"], int)


class TestStreams:
    def test_events_are_json_lines(self, run: Run) -> None:
        lines = [json.loads(line) for line in run(*CREATE, "--message", HELLO, "--stream").out.splitlines()]
        assert [line["type"] for line in lines][0::100] == ["message_start"]
        assert lines[-1]["type"] == "message_stop"

    def test_the_text_alone_is_printed_raw(self, run: Run) -> None:
        assert run(*CREATE, "--message", HELLO, "--stream", "-r").out == "Hello, Claude\n"
        assert run(*CREATE, "--message", HELLO, "--stream", "--format", "raw").out == "Hello, Claude\n"

    def test_a_terminal_is_shown_the_text_as_it_comes_and_nothing_that_moves_its_cursor(
        self, emulator: Emulator, home: Path
    ) -> None:
        environ = {"ANTHROPIC_API_KEY": emulator.api_key, "ANTHROPIC_BASE_URL": emulator.base_url, "HOME": str(home)}
        message = '{role: user, content: "one \\e[31mtwo\\x9b three"}'
        with in_a_terminal(*CREATE, "--message", message, "--stream", environ=environ) as child:
            assert rest(child) == (0, "one \\x1b[31mtwo\\x9b three\r\n")

    @pytest.mark.parametrize("raw", [False, True])
    def test_what_was_printed_before_a_break_is_whole_and_the_error_goes_to_stderr(self, ant: Ant, raw: bool) -> None:
        delta = json.dumps({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}})
        failure = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        with Scripted(lambda _: stream(delta, delta, failure)) as endpoint:
            words = [*CREATE, "--message", HELLO, "--stream", *(["-r"] if raw else [])]
            outcome = ant(*words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=endpoint.base_url)
        assert outcome.status == 1
        assert outcome.out == ("HelHel\n" if raw else f"{delta}\n{delta}\n")
        assert outcome.err.startswith(
            "error: the API failed in the middle of its answer: overloaded_error: Overloaded\n"
        )

    def test_a_connection_that_breaks_leaves_valid_lines(self, run: Run, emulator: Emulator) -> None:
        emulator.fail("messages", Fault.truncated())
        outcome = run(*CREATE, "--message", '{role: user, content: "one two three four five six"}', "--stream")
        assert outcome.status == 1
        assert all(json.loads(line) for line in outcome.out.splitlines())
        assert outcome.err.startswith("error: ")


class TestForms:
    def test_every_form_holds_the_same(self, run: Run) -> None:
        found = run("models", "retrieve", MODEL).json()
        assert json.loads(run("models", "retrieve", MODEL, "--format", "jsonl").out) == found
        assert yaml.safe_load(run("models", "retrieve", MODEL, "--format", "yaml").out) == found
        listed = run("models", "list", "--transform", "id", "-r").out.split()
        assert len(listed) > 1
        assert run("models", "list", "--format", "yaml").out.count("---\n") == len(listed) - 1

    @pytest.mark.parametrize("expression", ["[[[", "foo(", "(" * 3000, "nothing(@)"])
    def test_an_expression_that_does_not_parse_is_wrong_usage(self, run: Run, expression: str) -> None:
        outcome = run("models", "list", "--transform", expression)
        assert (outcome.status, outcome.out) == (2, "")
        assert "--transform" in outcome.err

    @pytest.mark.parametrize(("status", "kind"), [(401, "authentication_error"), (403, "a"), (404, "b"), (529, "c")])
    def test_an_error_of_the_api_can_be_read_by_programs(self, ant: Ant, status: int, kind: str) -> None:
        body = {"type": "error", "error": {"type": kind, "message": "No"}, "request_id": "req_1"}
        with TokenEndpoint(status=status, body=body, headers={"request-id": "req_1", "retry-after": "999"}) as endpoint:
            outcome = ant("models", "list", "--format-error", "json", **alone(endpoint.base_url))
        found = json.loads(outcome.err)
        assert outcome.status == found["exit_status"] == (4 if status in {401, 403} else 1)
        assert (found["error"], found["request_id"], found["status"]) == (body["error"], "req_1", status)

    def test_an_error_of_its_own_can_be_read_by_programs_too(self, ant: Ant) -> None:
        found = json.loads(ant("models", "list", "--format-error", "json").err)
        assert (found["error"]["type"], found["exit_status"]) == ("NoCredentialsError", 3)
        assert found["hint"]

    @pytest.mark.parametrize(
        "words", [("models", "list", "--bogus"), ("models", "list", "--limit", "0"), (), ("models",)]
    )
    @pytest.mark.parametrize("form", [("--format-error", "json"), ("--format-error=json",)])
    def test_so_can_wrong_usage(self, ant: Ant, words: tuple[str, ...], form: tuple[str, ...]) -> None:
        outcome = ant(*words, *form)
        found = json.loads(outcome.err)
        assert (outcome.status, found["exit_status"], found["status"]) == (2, 2, None)
        assert "\n" not in found["error"]["message"]

    @pytest.mark.parametrize("words", [("models", "list"), ("auth", "status"), ("api", "/v1/models")])
    def test_an_output_that_takes_nothing_is_not_reported_as_a_bug(
        self, emulator: Emulator, words: tuple[str, ...]
    ) -> None:
        environ = alone(emulator.base_url, emulator.api_key)
        command = [sys.executable, "-m", "ant_cli", *words]
        with open("/dev/full", "w") as full:
            done = preloaded.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True)
        said = "error: the output cannot be written: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, said)

    def test_a_closed_output_is_not_a_failure(self, emulator: Emulator) -> None:
        closed = ["sh", "-c", 'exec >&-; exec "$@"', "sh", sys.executable, "-m", "ant_cli", "models", "list"]
        environ = alone(emulator.base_url, emulator.api_key)
        done = subprocess.run(closed, env=environ, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize(
        "words",
        [
            ("models", "list", "--debug"),
            ("exec", "--env", "--", "echo", "hi"),
            ("exec", "--env", "--auth-token", TOKEN, "--", "echo", "hi"),
            ("auth", "print-credentials", "--access-token"),
        ],
    )
    def test_a_note_that_stderr_does_not_take_changes_nothing_else(
        self, emulator: Emulator, words: tuple[str, ...]
    ) -> None:
        environ = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", **emulator.env("github"), "ANT_CACHE": "memory"}
        if words[-1] == "--access-token":
            environ["ANTHROPIC_API_KEY"] = emulator.api_key
        command = [sys.executable, "-m", "ant_cli", *words]
        with open("/dev/full", "w") as full:
            # Not forked: what is left in the buffer of stderr fails when the interpreter ends.
            done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=full, check=False)
        assert done.returncode == 0
        assert done.stdout

    @pytest.mark.parametrize("words", [("--help",), ("auth",), ("auth", "login", "--help"), ("--version",)])
    def test_a_help_whose_reader_has_gone_does_not_fail(self, words: tuple[str, ...]) -> None:
        read, write = os.pipe()
        os.close(read)
        with open(write, "w") as gone:
            done = preloaded.run([sys.executable, "-m", "ant_cli", *words], env={}, stdout=gone, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    @pytest.mark.parametrize("form", ["json", "yaml", "raw"])
    def test_an_output_of_few_characters_loses_none_of_json_and_yaml(
        self, wire: TokenEndpoint, encoding: str, form: str
    ) -> None:
        wire.body = {"a": "é €"}
        environ = {**alone(wire.base_url), "PYTHONIOENCODING": encoding}
        words = [sys.executable, "-m", "ant_cli", "api", "/v1/x", "--format", form]
        done = preloaded.run(words, env=environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(done.stdout.decode(encoding)) == {"a": "é €"}

    @pytest.mark.parametrize("words", [("-r", "--transform", "a"), ("--format", "yaml"), ("--transform", "abs(a)")])
    def test_nothing_that_a_server_says_moves_the_cursor_of_a_terminal(
        self, wire: TokenEndpoint, words: tuple[str, ...]
    ) -> None:
        wire.body = {"a": "\x1b]0;pwn\x07\u202ex"}
        environ = alone(wire.base_url)
        with in_a_terminal("api", "/v1/x", *words, environ=environ) as child:
            _, shown = rest(child)
        assert "pwn" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)

    def test_a_character_that_moves_the_cursor_is_not_printed(self, ant: Ant) -> None:
        with TokenEndpoint(body={"id": "a\x9b31m\x1b[0m\u202eb\x7f"}) as endpoint:
            outcome = ant("api", "/v1/x", ANTHROPIC_API_KEY=TOKEN, ANTHROPIC_BASE_URL=endpoint.base_url)
        assert json.loads(outcome.out) == {"id": "a\x9b31m\x1b[0m\u202eb\x7f"}
        assert outcome.out.isascii()
        assert outcome.out.replace("\n", "").isprintable()

    def test_debug_shows_requests_and_answers_and_no_secret(self, run: Run, emulator: Emulator) -> None:
        outcome = run(*CREATE, "--message", '{role: user, content: "a sk-ant-api03-EXAMPLE-of-a-secret"}', "--debug")
        assert "> POST" in outcome.err
        assert "Hello" not in outcome.err
        assert "EXAMPLE-of-a-secret" not in outcome.err
        assert emulator.api_key not in outcome.err


class TestAnyEndpoint:
    def test_a_path_is_read(self, run: Run, emulator: Emulator) -> None:
        for path in ("/v1/models?limit=1", "v1/models?limit=1", f"{emulator.base_url}/v1/models?limit=1"):
            assert len(run("api", path).json()["data"]) == 1  # type: ignore[arg-type]
        assert len(run("api", "/v1/models", "-X", "get", "-f", "limit=2").json()["data"]) == 2  # type: ignore[arg-type]

    def test_fields_make_a_body_and_a_post(self, ant: Ant, wire: TokenEndpoint, tmp_path: Path) -> None:
        (tmp_path / "body.yaml").write_text("a: 0\nb: [1, 2]\n")
        words = ["-f", "a=1", "-f", "c={d: no, e: true}", "-F", "f=1", "-f", f"g=@{tmp_path}/body.yaml"]
        words += ["--input", str(tmp_path / "body.yaml"), "-H", "X-Thing: 1", "-H", "anthropic-beta: one"]
        words += ["-H", "anthropic-version: 2023-06-01"]
        outcome = ant("api", "/v1/things", *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert outcome.status == 0, outcome.err
        sent = wire.requests[0]
        assert (sent.method, sent.path) == ("POST", "/v1/things")
        assert sent.fields == {"a": 1, "b": [1, 2], "c": {"d": "no", "e": True}, "f": "1", "g": "a: 0\nb: [1, 2]\n"}
        assert sent.headers["x-thing"] == "1"
        assert sent.headers["anthropic-beta"] == "one,oauth-2025-04-20"
        assert sent.headers["anthropic-version"] == "2023-06-01"

    def test_what_is_neither_a_number_nor_json_is_an_unchanged_text(self, ant: Ant, wire: TokenEndpoint) -> None:
        fields = {
            "a": ("Fix #12", "Fix #12"), "b": ("#12", "#12"), "c": ("fix: the build", "fix: the build"),
            "d": ("a\nb", "a\nb"), "e": ("007", "007"), "f": ("1e3", 1000.0), "g": ("-0.5", -0.5), "h": ("null", None),
            "i": ("true", True), "j": ("True", "True"), "k": ("", ""), "l": (" 1", " 1"), "m": ("~", "~"),
            "n": ("{x: [1, no]}", {"x": [1, "no"]}), "o": ('"1"', "1"), "p": ("123456789012345678", 123456789012345678),
        }  # fmt: skip
        words = [word for name, (text, _) in fields.items() for word in ("-f", f"{name}={text}")]
        words += ["-f", "q[]=1", "-f", "q[]=two", "-F", "r=1"]
        outcome = ant("api", "/v1/things", *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert outcome.status == 0, outcome.err
        wanted = {name: value for name, (_, value) in fields.items()}
        assert wire.requests[0].fields == {**wanted, "q": [1, "two"], "r": "1"}

    def test_a_query_has_the_fields_to_the_letter_and_in_their_order(self, ant: Ant, wire: TokenEndpoint) -> None:
        words = ["-X", "GET", "-f", "c=007", "-f", "id=1e3", "-f", "g[]=a", "-f", "g[]=b", "-F", "n=[1"]
        ant("api", "/v1/things?c=1&z=2", *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert wire.requests[0].path == "/v1/things?c=007&z=2&id=1e3&g%5B%5D=a&g%5B%5D=b&n=%5B1"

    def test_lines_of_json_are_items(self, answered: Run) -> None:
        words = ("api", "/v1/results", "--transform", "a")
        outcome = answered(*words, body=b'{"a": 1}\n{"a": 2}\n', kind="application/x-jsonl")
        assert (outcome.status, outcome.out) == (0, "1\n2\n")

    def test_what_is_not_json_is_printed_unchanged_and_cannot_be_transformed(self, answered: Run) -> None:
        outcome = answered("api", "/v1/x", body=b"a,b\n", kind="text/csv")
        assert (outcome.status, outcome.out) == (0, "a,b\n")
        outcome = answered("api", "/v1/x", "--transform", "a", body=b"a,b\n", kind="text/csv")
        assert (outcome.status, outcome.out) == (1, "")
        assert "the answer is text/csv, and --transform is for JSON" in outcome.err

    def test_a_large_file_is_passed_on_as_it_comes(self, answered: Run) -> None:
        outcome = answered("api", "/v1/x", body=b"x" * (70 << 20), kind="application/octet-stream")
        assert (outcome.status, len(outcome.out)) == (0, 70 << 20)

    def test_a_body_of_another_kind_is_sent_as_it_is(self, ant: Ant, wire: TokenEndpoint, tmp_path: Path) -> None:
        (tmp_path / "body").write_bytes(b"\xff\x00")
        words = ["-X", "PUT", "--input", str(tmp_path / "body"), "-H", "content-type: application/octet-stream"]
        ant("api", "/v1/things", *words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert (wire.requests[0].method, wire.requests[0].body) == ("PUT", b"\xff\x00")

    def test_a_body_comes_from_stdin_when_asked_for(self, emulator: Emulator) -> None:
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]})
        outcome = piped(emulator, "api", "/v1/messages/count_tokens", "--input", "-", body=body)
        assert outcome.json()["input_tokens"]

    def test_a_list_goes_on_to_its_last_page(self, run: Run) -> None:
        pages = run("api", "/v1/models", "-f", "limit=2", "--paginate", "--transform", "id", "-r").out.split()
        assert pages == run("models", "list", "--transform", "id", "-r").out.split()
        assert run("api", "/v1/models?limit=2", "--paginate", "--limit", "3").out.count("\n") == 3

    def test_a_text_is_not_a_command_to_a_build_system(self, answered: Run) -> None:
        body = b"##vso[task.setvariable variable=x]y\n::set-env name=x::y\n\x1b]52;c;eA==\x07\n"
        for kind, shown in (
            ("text/plain", b"# #vso[task.setvariable variable=x]y\n: :set-env name=x::y\n\\x1b]52;c;eA==\\x07\n"),
            ("application/octet-stream", body),
        ):
            outcome = answered("api", "/v1/x", body=body, kind=kind)
            assert (outcome.status, outcome.out.encode()) == (0, shown)

    def test_an_empty_answer_prints_nothing(self, ant: Ant) -> None:
        with Scripted(lambda _: (204, {}, b"")) as endpoint:
            outcome = ant("api", "/v1/x", "-X", "DELETE", ANTHROPIC_API_KEY=TOKEN, ANTHROPIC_BASE_URL=endpoint.base_url)
        assert (outcome.status, outcome.out, outcome.err) == (0, "", "")

    @pytest.mark.parametrize(
        "path", ["https://evil.example/v1/models", "//evil.example/v1", "http://127.0.0.1@evil.example/"]
    )
    def test_the_credential_is_not_sent_to_another_host(self, run: Run, path: str) -> None:
        outcome = run("api", path)
        assert (outcome.status, outcome.out) == (2, "")
        assert "which the credential is for" in outcome.err

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("-f", "a"), "has no ="),
            (("-f", "=1"), "has no name"),
            (("-f", "a=1", "-F", "a=2"), "given twice"),
            (("-f", "a={b"), "neither JSON nor YAML: line 1, column 3"),
            (("-H", "Authorization: Bearer x"), "not yours to set"),
            (("-H", "x-api-key: x"), "not yours to set"),
            (("-H", "Host: x"), "not yours to set; --base-url chooses the host"),
            (("-H", "content-length: 5"), "not yours to set; it follows from the request"),
            (("-H", "authorization:"), "not yours to set"),
            (("-H", "anthropic-version:"), "the header anthropic-version has no value; leave it out"),
            (("-H", "X-Thing: 1", "-H", "X-Thing:  "), "the header X-Thing has no value"),
            (("-H", "no colon"), "NAME: VALUE"),
            (("-H", "a: b\r\nc: d"), "NAME: VALUE"),
            (("-X", "GET", "--input", "-"), "GET has no body"),
            (("-X", "POST", "--paginate"), "read with GET"),
            (("--limit", "1"), "--limit is for --paginate"),
            (("--input", "/nonexistent"), "cannot be read"),
            (("--input", "-"), "name a file"),
            (("-f", "a=1", "-f", "a[]=2"), "given twice"),
            (("-f", "a=" + 900 * "["), "neither JSON nor YAML"),
            (("--input", "/dev/zero"), "longer than"),
            (("-f", "a=@/dev/zero"), "longer than"),
            (("-f", 'a="!!bool maybe'), "neither JSON nor YAML"),
            (("-X", "BREW"), "BREW"),
        ],
    )
    def test_what_cannot_be_meant_is_wrong_usage(self, run: Run, words: tuple[str, ...], says: str) -> None:
        outcome = run("api", "/v1/models", *words)
        assert (outcome.status, outcome.out) == (2, "")
        assert says in outcome.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("/v1/messages", "-f", "max=3", "-f", "model=\udcff"), "the field 'model' of the body"),
            (("/v1/messages", "-f", "a\udcff=3"), r"the field 'a\udcff' of the body"),
            (("/v1/messages", "-F", "a=[\udcff]"), "the field 'a' of the body"),
            (("/v1/models", "-X", "GET", "-f", "a=b", "-f", "limit=\udcff"), r"the query field 'limit=\udcff'"),
            (("/v1/models\udcff",), r"/v1/models\udcff"),
        ],
    )
    def test_bytes_that_are_not_utf_8_are_blamed_on_what_holds_them(
        self, run: Run, words: tuple[str, ...], said: str
    ) -> None:
        outcome = run("api", *words)
        assert outcome.status == 2
        assert outcome.err.startswith(f"error: {said} holds text that is not valid UTF-8\n")


OAUTH = "oauth-2025-04-20"


class TestBesideTheOfficialSdk:
    """The same call leaves the same request on the wire."""

    @pytest.fixture
    def sdk(self, wire: TokenEndpoint) -> Iterator[anthropic.Anthropic]:
        with anthropic.Anthropic(auth_token=TOKEN, base_url=wire.base_url, max_retries=0) as client:
            yield client

    CALLS: ClassVar[dict[str, tuple[Callable[[anthropic.Anthropic], Any], tuple[str, ...]]]] = {
        "models list": (lambda sdk: sdk.models.list(limit=100), ("models", "list")),
        "models retrieve": (lambda sdk: sdk.models.retrieve("a/b c"), ("models", "retrieve", "a/b c")),
        "messages create": (
            lambda sdk: sdk.messages.create(
                model=MODEL,
                max_tokens=64,
                messages=[{"role": "user", "content": "Hello, Claude"}],
                system="Be brief.",
                stop_sequences=["\n"],
                tools=[{"name": "now", "input_schema": {"type": "object"}}],
                tool_choice={"type": "auto"},
                metadata={"user_id": "a"},
                service_tier="auto",
                thinking={"type": "disabled"},
                extra_headers={"anthropic-beta": "one-2026-01-01"},
            ),
            (
                *(
                    *CREATE,
                    "--message",
                    HELLO,
                    "--system",
                    "Be brief.",
                    "--stop-sequence",
                    "\n",
                    "--metadata",
                    "{user_id: a}",
                ),
                *("--tool", "{name: now, input_schema: {type: object}}", "--tool-choice", "{type: auto}"),
                *("--service-tier", "auto", "--thinking", "{type: disabled}", "--beta", "one-2026-01-01"),
            ),
        ),
        "messages create, streamed": (
            lambda sdk: sdk.messages.create(
                model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "Hello, Claude"}], stream=True
            ),
            (*CREATE, "--message", HELLO, "--stream"),
        ),
        "messages count-tokens": (
            lambda sdk: sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "Hello, Claude"}]),
            ("messages", "count-tokens", "--model", MODEL, "--message", HELLO),
        ),
        "api": (lambda sdk: sdk.post("/v1/things", body={"a": 1}, cast_to=object), ("api", "/v1/things", "-f", "a=1")),
    }

    @pytest.mark.parametrize("call", CALLS)
    def test_the_request_is_the_same(self, ant: Ant, wire: TokenEndpoint, sdk: anthropic.Anthropic, call: str) -> None:
        ask, words = self.CALLS[call]
        ask(sdk)
        outcome = ant(*words, ANTHROPIC_AUTH_TOKEN=TOKEN, ANTHROPIC_BASE_URL=wire.base_url)
        assert outcome.status == 0 or "--stream" in words, outcome.err
        theirs, ours = wire.requests
        assert _shape(ours) == _shape(theirs)
        flags = {each.strip() for each in ours.headers["anthropic-beta"].split(",")}
        assert {each for each in theirs.headers.get("anthropic-beta", "").split(",") if each} | {OAUTH} == flags


def _shape(request: Recorded) -> dict[str, object]:
    # Not `anthropic-version`: ours is the present one, and that of this SDK its predecessor.
    shown = ("authorization", "x-api-key", "content-type", "accept")
    return {
        "method": request.method,
        "path": request.path,
        "body": request.fields,
        **{name: request.headers.get(name) for name in shown},
    }
