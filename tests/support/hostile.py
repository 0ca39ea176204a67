"""A hostile inbox: 200 files and more that are made to crash, fill, stall or mislead what reads them, of many kinds."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import socket
import tarfile
import zipfile
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MIB = 2**20
GOOD, GOOD_ROWS = 20, 50
WORDS = [
    "river",
    "stone",
    "window",
    "teacher",
    "garden",
    "winter",
    "market",
    "letter",
    "bridge",
    "music",
    "paper",
    "mountain",
    "kitchen",
]
TABLE = pa.table({"question": [f"Why is {n} odd?" for n in range(40)], "answer": [f"It is {n}." for n in range(40)]})
# Repeated to the length of a text; each has made some pattern, parser or model slow.
UNITS = {
    "address": "12 Main St, ",
    "capitals": "AB ",
    "street": "Main Street Road Ave ",
    "house": "12 ",
    "email": "a.a@a.a-",
    "at": "a@",
    "url": "http://a.",
    "host": "a.b.",
    "slashes": "//",
    "query": "?a=&",
    "iban": "DE89 3704 ",
    "name": "Mr. Ann O'",
    "initials": "J. ",
    "hyphens": "Ann-",
    "digits": "1",
    "spaced digits": "1 ",
    "phone": "555-0100 ",
    "parentheses": "(555) (",
    "card": "4111 1111 ",
    "ip": "1.1.1.",
    "colons": "::1:",
    "date": "1/1/",
    "ssn": "078-05-",
    "secret": "key = ",
    "token": "ghp_aA0",
    "jwt": "eyJhA.",
    "pem": "-----BEGIN ",
    "table": "|a|-|\n",
    "fence": "```\n",
    "tilde": "~~~ ",
    "call": "<tool_call>{",
    "tags": "<div>",
    "entities": "&amp;&#",
    "comments": "<!-- ",
    "sections": "<![CDATA[",
    "marks": "e\u0301\u0302",
    "joiners": "\U0001f469\u200d",
    "mojibake": "Ã©â‚¬",
    "quotes": "\"'",
    "backslashes": '\\"',
    "headings": "a\n===\n",
    "dots": "A.",
    "spaces": " \t",
    "lines": "\r\n",
    "cjk": "中文",
    "sentences": "abcd. A",
    "braces": '{"a": [',
    "letters": "x",
}


def write_good(folder):
    """20 files of 50 rows each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(GOOD):
        dice = random.Random(number)
        rows = [
            {
                "question": f"What does the {' '.join(dice.choices(WORDS, k=6))} of house {number}-{n} mean?",
                "answer": f"It means that {' '.join(dice.choices(WORDS, k=12))} belongs to Ann Carter, {number} {n}.",
            }
            for n in range(GOOD_ROWS)
        ]
        (folder / f"good-{number:02}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def write_hostile(folder):
    """Write the hostile files; returns their names. Those whose names begin with a dot are left out of an inbox."""
    folder.mkdir(parents=True, exist_ok=True)
    before = set(os.listdir(folder))
    for name, content in [*tables(), *packed(), *texts(), *patterns()]:
        (folder / name).write_bytes(content)
    odd_entries(folder)
    return sorted(name for name in {*os.listdir(folder)} - before if not name.startswith("."))


def arrow(table=TABLE, stream=False, **options):
    out = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return out.getvalue()


def parquet(table=TABLE, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def patched(content, old, new):
    place = content.index(old)
    return content[:place] + new + content[place + len(old) :]


def flipped(content, seed):
    """The content with eight bytes of others."""
    dice, changed = random.Random(seed), bytearray(content)
    for _ in range(8):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def offsets(count, step):
    return np.arange(0, count * step, step, dtype=np.int32).tobytes()


def nested(depth):
    array = pa.array(["a"])
    for _ in range(depth):
        array = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), array)
    return pa.table({"text": array})


def tables():
    for seed in range(12):
        yield f"flipped-{seed}.arrow", flipped(arrow(), seed)
        yield f"flipped-{seed}.parquet", flipped(parquet(), seed)
    for part in (1, 3, 5, 7):
        for name, content in (("a.arrow", arrow()), ("s.arrow", arrow(stream=True)), ("p.parquet", parquet())):
            yield f"cut-{part}-{name}", content[: len(content) * part // 8]
    plain = pa.table({"text": pa.array(["text " * 9] * 6)})
    far, back = (2**31 - 1).to_bytes(4, "little"), (-5).to_bytes(4, "little", signed=True)
    for called, bad in (("far", far), ("negative", back)):
        for called_too, table in (
            ("plain", plain),
            ("nested", pa.table({"text": pa.array([[{"b": "text " * 9}]] * 6)})),
            ("dictionary", pa.table({"text": pa.array([f"{n}".rjust(45) for n in range(6)]).dictionary_encode()})),
        ):
            old = offsets(6, 45)
            yield f"{called}-offsets-{called_too}.arrow", patched(arrow(table), old, old[:16] + bad + old[20:])
            yield (
                f"{called}-offsets-{called_too}-stream.arrow",
                patched(arrow(table, stream=True), old, old[:16] + bad + old[20:]),
            )
    indices = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3] * 9, pa.int32()), ["a"] * 4)})
    good = np.array([0, 1, 2, 3] * 2, dtype=np.int32).tobytes()
    for called, bad in (("far", far), ("negative", back)):
        yield f"{called}-index.arrow", patched(arrow(indices), good, good[:28] + bad)
    footer = arrow()
    for called, size in (("huge", far), ("negative", back), ("zero", bytes(4))):
        yield f"footer-{called}.arrow", footer[:-10] + size + footer[-6:]
        yield f"footer-{called}.parquet", parquet()[:-8] + size + b"PAR1"
    yield "feather-1.feather", b"FEA1" + bytes(64) + b"\x40\0\0\0FEA1"
    yield "feather-cut.feather", arrow(compression="lz4")[:-40]
    yield "feather-flipped.feather", flipped(arrow(compression="lz4"), 1)
    big = pa.DictionaryArray.from_arrays(pa.array([0] * 3000), ["x" * MIB])
    yield "bomb-dictionary.arrow", arrow(pa.table({"text": big}), compression="zstd")
    yield "bomb-nulls.arrow", arrow(pa.table({"text": pa.nulls(10**9)}))
    yield (
        "bomb-nulls-nested.arrow",
        arrow(pa.table({"text": pa.FixedSizeListArray.from_arrays(pa.nulls(10**9), 10**6)})),
    )
    yield "bomb-lz4.arrow", arrow(pa.table({"text": ["x" * 200 * MIB]}), compression="lz4")
    for packing in ("zstd", "gzip", "brotli", "snappy"):
        table = pa.table({"text": ["x" * MIB] * 100})
        yield f"bomb-{packing}.parquet", parquet(table, compression=packing, use_dictionary=False)
    yield "bomb-dictionary.parquet", parquet(pa.table({"text": ["x" * MIB] * 500}), compression="zstd")
    yield "bomb-runs.parquet", parquet(pa.table({"text": pa.array([1] * 30_000_000, pa.int8())}), compression="zstd")
    yield "bomb-nulls.parquet", parquet(pa.table({"text": pa.nulls(20_000_000, pa.string())}), compression="zstd")
    yield "deep-100.arrow", arrow(nested(60))
    yield "deep-60.parquet", parquet(nested(60))
    yield "decimal.parquet", parquet(pa.table({"text": ["a"], "n": pa.array([Decimal(1)], pa.decimal256(50, 2))}))
    yield "interval.arrow", arrow(pa.table({"text": ["a"], "n": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}))
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    yield "union.arrow", arrow(pa.table({"text": ["a"], "n": union}))
    yield "one-name.arrow", arrow(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]))
    many = pa.table({f"c{n}": [1] for n in range(20_000)})
    yield "wide.arrow", arrow(many)
    yield "wide.parquet", parquet(many)
    yield "late.arrow", arrow(pa.table({"text": ["a", "b"], "n": pa.array([2**60, 0], pa.timestamp("ms"))}))
    yield "no-rows.parquet", parquet(TABLE.slice(0, 0))
    yield "no-columns.arrow", arrow(pa.table({}))
    yield "encrypted.parquet", b"PARE" + parquet()[4:-4] + b"PARE"
    yield "mark.parquet", b"PAR1PAR1"
    yield "text.parquet", b"question,answer\nWhy?,So.\n"
    yield "picture.arrow", b"\x89PNG\r\n\x1a\n" + bytes(99)


def zst(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


def archive(name, content=b'{"text": "a"}\n'):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, content)
    return out.getvalue()


def tape(name, kind=tarfile.REGTYPE):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        packed.addfile(entry)
    return out.getvalue()


def packed():
    line = b'{"text": "fine"}\n'
    zeros = bytes(300 * MIB)
    for name, pack in (("gz", lambda content: gzip.compress(content, 1)), ("zst", zst)):
        bomb = pack(zeros)
        yield f"bomb.jsonl.{name}", bomb
        yield f"bomb-lines.jsonl.{name}", pack(line * 8_000_000)
        yield f"bomb.csv.{name}", bomb
        yield f"bomb.json.{name}", pack(b"[" + zeros)
        yield f"bomb.txt.{name}", bomb
        yield f"nested.jsonl.{name}", pack(pack(line))
        yield f"cut.jsonl.{name}", pack(line * 99)[:-9]
        yield f"flipped.jsonl.{name}", flipped(pack(os.urandom(4000)), 1)
        yield f"plain.jsonl.{name}", line
        yield f"empty.jsonl.{name}", b""
        yield f"trailing.jsonl.{name}", pack(line) + b"\xff" * 99
        yield f"bomb-nested.jsonl.{name}", pack(bomb)
    yield "members.jsonl.gz", gzip.compress(b"") * 20_000
    yield "window.jsonl.zst", b"\x28\xb5\x2f\xfd\x00\xff" + bytes(50)
    yield "zip.jsonl.gz", archive("a.jsonl")
    yield "tar.jsonl.gz", gzip.compress(tape("a.jsonl"))
    yield "bomb.zip", archive("a.jsonl", zeros)
    yield "nested.zip", archive("b.zip", archive("a.jsonl"))
    yield "up.zip", archive("../../a.jsonl")
    yield "root.zip", archive("/etc/a.jsonl")
    yield "link.tar", tape("a.jsonl", tarfile.SYMTYPE)
    yield "up.tar.gz", gzip.compress(tape("../a.jsonl"))
    yield "bomb.jsonl.xz", lzma.compress(zeros[: 64 * MIB], preset=0)
    yield "bomb.jsonl.bz2", bz2.compress(zeros[: 64 * MIB])
    yield "page.html", b"<script>alert(1)</script>"
    yield "macro.docx", archive("word/document.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]>")
    yield "script.pdf", b"%PDF-1.7\n/JavaScript"
    yield "table.xlsx", archive("xl/workbook.xml")
    yield "model.pkl", b"cos\nsystem\n(S'true'\ntR."


def texts():
    line = b'{"text": "fine"}\n'
    for depth in (450, 600, 10_000, 200_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = (opening * depth + "1" + closing * depth).encode()
            called = f"deep-{depth}-{'list' if opening == '[' else 'object'}"
            yield f"{called}.jsonl", b'{"text": "a", "more": ' + deep + b"}\n"
            yield f"{called}.json", b'[{"text": "a", "more": ' + deep + b"}]"
        yield f"open-{depth}.json", b"[" * depth
    for called, number in (("exponent", "1e999999"), ("400", "9" * 400), ("5000", "9" * 5000), ("1m", "9" * MIB)):
        yield f"number-{called}.jsonl", f'{{"text": "a", "n": {number}}}\n'.encode()
        yield f"number-{called}.json", f'[{{"text": "a", "n": -{number}}}]'.encode()
        yield f"label-{called}.jsonl", f'{{"text": "a", "label": {number}}}\n'.encode()
    yield "line-64-mib.jsonl", b'{"text": "' + b"x " * (32 * MIB) + b'"}\n'
    yield "line-64-mib.json", b'[{"text": "' + b"x " * (32 * MIB) + b'"}]'
    yield "line-64-mib.csv", b"text\n" + b"x " * (32 * MIB)
    yield "line-64-mib.txt", b"x " * (32 * MIB)
    yield "keys-doubled.jsonl", b'{"text": "a", "text": "b"}\n'
    yield "keys-many.jsonl", json.dumps({"text": "a", **{f"k{n}": n for n in range(200_000)}}).encode()
    yield "keys-long.jsonl", json.dumps({"x" * MIB: "a"}).encode()
    yield "nan.jsonl", b'{"text": NaN}\n{"text": "a", "n": -Infinity}\n'
    yield "surrogates.jsonl", b'{"text": "\\ud83d"}\n{"\\udc00": "a", "text": "b"}\n'
    yield "nul.jsonl", b'{"text": "a\\u0000b"}\n\0{"text": "c"}\n'
    yield "bom.jsonl", b"\xef\xbb\xbf" * 3 + line
    for coding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-7", "latin-1", "cp037"):
        yield f"{coding}.jsonl", '{"text": "caf\u00e9"}\n'.encode(coding)
    yield "scalars.jsonl", b'1\n"a"\nnull\n[]\n' * 9
    yield "object.json", b'{"text": "a"}'
    yield "lines.json", line * 9
    yield "cut.json", b'[{"text": "a"}, {"te'
    yield "lists.json", b"[[[]], [1], {}]"
    yield "spaces.json", b" " * (20 * MIB)
    yield "commas.json", b"[" + b"," * 99
    yield "rows-100000-empty.jsonl", b"{}\n" * 100_000
    yield "quotes.csv", b'text\n"a\n' + b"b,c\n" * 1000
    yield "quotes-long.csv", b'text\n"' + b"b\n" * (9 * MIB)
    yield "columns-100000.csv", ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n1\n"
    yield "doubled.csv", b"text,text\na,b\n"
    yield "doubled-person.csv", b"Ann Carter,Ann Carter\na,b\n"
    yield "headerless.csv", b"Ann Carter,hunter2\nBob Stone,secret\n"
    yield "header.csv", b"question,answer\n"
    yield "nul.csv", b"text\na\0b\n"
    yield "fields.csv", b"text\n" + b"," * 100_000 + b"\n"
    yield "returns.csv", b"text\ra\rb\r"
    yield "semicolons.csv", b"text;label\na;b\n"
    for ending in ("jsonl", "json", "csv", "txt", "md", "parquet", "arrow", "feather"):
        yield f"empty.{ending}", b""
    yield "spaces.txt", b" \n" * 10_000
    yield "controls.txt", bytes(range(32)) * 100
    yield "binary.md", os.urandom(20_000)


def patterns():
    """Texts of 30,000 characters that make patterns slow: in answers, labels, groups, keys, and as files."""
    for number, (name, unit) in enumerate(UNITS.items()):
        text = unit * (30_000 // len(unit))
        row = {"question": f"What is {name}?", "answer": f"a {text} b"}
        match number % 6:
            case 0:
                row |= {"label": text, "group": "a"}
            case 1:
                row |= {"group": text}
            case 2:
                row = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes, it is."}]}
            case 3:
                row |= {"answer": json.dumps({text: text})}
            case 4:
                row |= {"question": text}
        if number % 6 == 5:
            yield f"pattern {name}.md", text.encode()
        else:
            yield f"pattern {name}.jsonl", json.dumps(row).encode()
    yield "megabyte.txt", b"x" * MIB
    yield "megabyte-marks.md", ("e" + "\u0301" * 1000).encode() * 500


def odd_entries(folder):
    """Links, pipes, folders, and names that mislead: those that cannot be made here are left out."""
    outside = folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret.jsonl").write_text('{"text": "The key is hunter2 of the outside."}\n')
    (folder / "link.jsonl").symlink_to(outside / "secret.jsonl")
    (folder / "link-folder.jsonl").symlink_to(outside)
    (folder / "link-dangling.jsonl").symlink_to(outside / "nothing")
    (folder / "link-loop.jsonl").symlink_to(folder / "link-loop.jsonl")
    (folder / "link-up.jsonl").symlink_to("../outside/secret.jsonl")
    (folder / "link-device.jsonl").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jsonl")
    here = os.getcwd()
    os.chdir(folder)  # The path of a socket may have some 100 characters.
    with socket.socket(socket.AF_UNIX) as listens:
        listens.bind("socket.jsonl")
    os.chdir(here)
    (folder / "folder.jsonl").mkdir()
    (folder / "unreadable.jsonl").write_text('{"text": "Nobody may read it."}\n')
    (folder / "unreadable.jsonl").chmod(0)
    for ending in ("txt", "csv", "ndjson", "arrow", "feather"):
        with (folder / f"sparse.{ending}").open("wb") as file:
            file.truncate(2**30 + len(ending))
    line = b'{"text": 1}\n'
    odd = [
        b"line\nbreak",
        b"\x1b[31mred\x1b[2J",
        b"\xe2\x80\xaegnp",
        b"x" * 249,
        b"\xff\xfe",
        b"-rf",
        b"..x",
        b"a;rm -rf ~",
    ]
    odd += [
        b"$(id)",
        b"%s%n",
        b"![](http:evil)",
        b"<img src=x>",
        b"{{7}}",
        b"  ",
        b"\xef\xbb\xbf",
        b"a\\..\\b",
        b"CON",
        b"'--",
    ]
    for stem in odd:
        with open(os.path.join(os.fsencode(folder), stem + b".jsonl"), "wb") as file:
            file.write(line + stem)
