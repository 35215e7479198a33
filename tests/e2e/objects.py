# SPDX-License-Identifier: Apache-2.0
"""What lies in a broker's store, whichever that is: its objects as paths, its journals' entries as
places that a test can damage, and all of it as a directory for the independent readers."""
import fnmatch
import io
import os
import shutil
import struct


class BucketPath:
    """As much of a pathlib.Path as tests need, over the keys of a bucket."""

    def __init__(self, bucket, key=""):
        self.bucket, self.key = bucket, key  # bucket: an s3client.S3

    def __truediv__(self, part):
        return BucketPath(self.bucket, f"{self.key}/{part}" if self.key else str(part))

    def __repr__(self):
        return self.key

    def __eq__(self, other):
        return isinstance(other, BucketPath) and self.key == other.key

    def __lt__(self, other):
        return self.key < other.key

    def __hash__(self):
        return hash(self.key)

    # --- names ---

    @property
    def name(self):
        return self.key.rpartition("/")[2]

    @property
    def stem(self):
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self):
        return BucketPath(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name):
        return self.parent / name if "/" in self.key else BucketPath(self.bucket, name)

    def with_suffix(self, suffix):
        return self.with_name(self.stem + suffix)

    # --- requests ---

    def _answer(self, method, body=b"", **more):
        status, _, content = self.bucket.request(method, self.key, body=body, **more)
        if status == 404:
            raise FileNotFoundError(self.key)
        if status not in (200, 204, 206):
            raise OSError(f"{method} {self.key}: {status} {content[:300]}")
        return content

    def read_bytes(self):
        return self._answer("GET")

    def tail(self, n):
        return self._answer("GET", headers={"range": f"bytes=-{n}"})

    def write_bytes(self, data):
        self._answer("PUT", bytes(data))

    def unlink(self):
        self._answer("DELETE")

    def exists(self):
        try:
            self._answer("HEAD")
            return True
        except FileNotFoundError:
            return False

    def mkdir(self, **_):
        """There are only keys."""

    def _below(self):
        prefix = f"{self.key}/" if self.key else ""
        return [(key[len(prefix):], BucketPath(self.bucket, key)) for key in self.bucket.keys_list(prefix)]

    def glob(self, pattern):
        return [p for rest, p in self._below() if "/" not in rest and fnmatch.fnmatch(rest, pattern)]

    def rglob(self, pattern):
        return [p for _, p in self._below() if fnmatch.fnmatch(p.name, pattern)]

    def iterdir(self):
        return [self / name for name in sorted({rest.partition("/")[0] for rest, _ in self._below()})]


def key_of(broker, path):
    return path.key if isinstance(path, BucketPath) else path.relative_to(broker.dir).as_posix()


def last_bytes(path, n):
    return path.tail(n) if isinstance(path, BucketPath) else path.read_bytes()[-n:]


def laid_out(broker):
    """A directory with all objects of a broker that was stopped, as filestore.py reads it."""
    if broker.bucket is None:
        return broker.dir
    home = broker.dir.with_name(broker.dir.name + "-objects")
    shutil.rmtree(home, ignore_errors=True)
    for path in broker.root.rglob("*"):
        copy = home / path.key
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    home.mkdir(exist_ok=True)
    return home


# --- entries of journals ---


def records_in_volumes(directory):
    """[(key, file, position, payload position, length)] of the records of the file store.

    The layout is that of docs/file-store.md: a record begins at a multiple of 4096 with "SLRC".
    """
    out = []
    for path in sorted((directory / "+volumes").iterdir()):
        data = path.read_bytes()
        for at in range(8192, len(data), 4096):
            if data[at:at + 4] != b"SLRC" or data[at + 80] == 0xff:
                continue
            key_len = struct.unpack(">H", data[at + 6:at + 8])[0]
            length, _, payload = struct.unpack(">QII", data[at + 40:at + 56])
            key = data[at + 96:at + 96 + key_len].decode()
            out.append((key, path, at, payload, length))
    return out


def is_entry(key):
    parts = key.split("/")
    return "journal" in parts and parts[-1].isdigit() and "manifest" not in parts


def entries_by_journal(broker):
    """{journal number: [record of each entry, oldest first]} of a stopped broker. A record's first field is
    the key; the rest is for damage_entry()."""
    if broker.bucket is None:
        records = records_in_volumes(broker.dir)
    else:
        records = [(path.key, path) for path in broker.root.rglob("*")]
    out = {}
    for record in records:
        if is_entry(record[0]):
            out.setdefault(record[0].split("/")[-2], []).append(record)
    return {j: sorted(rows) for j, rows in out.items()}


def snapshots(broker, what):
    """what: snapshot or manifest. Paths of those of every journal, oldest first."""
    return sorted(p for p in broker.root.rglob("*") if f"/{what}/" in f"/{key_of(broker, p)}")


def damage_entry(record, how):
    """how: flip, flip_head, destroy or delete."""
    if isinstance(record[1], BucketPath):
        if how is delete:
            record[1].unlink()
            return
        f = io.BytesIO(record[1].read_bytes())
        how(f, 0, 0, len(f.getvalue()))
        record[1].write_bytes(f.getvalue())
        return
    with open(record[1], "r+b") as f:
        how(f, *record[2:])


def flip_at(f, at):
    f.seek(at)
    byte = f.read(1)
    f.seek(at)
    f.write(bytes([byte[0] ^ 0x10]))


def flip(f, at, payload, length):
    flip_at(f, at + payload + length - 3)


def flip_head(f, at, payload, _length):
    flip_at(f, at + payload + 60)


def destroy(f, at, _payload, _length):
    f.seek(at)
    f.write(os.urandom(96))


def delete(f, at, _payload, _length):
    """The mark of a deletion, of a record in a volume."""
    f.seek(at + 80)
    f.write(b"\xff")
