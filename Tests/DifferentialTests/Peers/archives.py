"""Reads the archives that builders save, in the layout of `docker save`, into plain values that can be compared."""
import hashlib
import json
import tarfile

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class Image:
    """One image of an archive: its configuration document and its layers, lowest first."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            def read(name):
                return archive.extractfile(archive.getmember(name)).read()

            manifest = json.loads(read("manifest.json"))[0]
            self.document = json.loads(read(manifest["Config"]))
            # Some builders keep two layers of the same bytes once, with a link in the other's place.
            self.layers = [read_layer(archive.extractfile(name)) for name in manifest["Layers"]]
        self.config = self.document.get("config") or {}
        self.history = self.document.get("history") or []
        self.diff_ids = self.document["rootfs"]["diff_ids"] or []


def read_layer(stream):
    """The entries of a layer by path, hard links resolved into groups."""
    entries = {}
    links = {}
    with tarfile.open(fileobj=stream, mode="r|*", errors="surrogateescape") as layer:
        for member in layer:
            name = clean(member.name)
            if member.islnk():
                links[name] = clean(member.linkname)
                continue
            entries[name] = describe(layer, member)
    for name, target in links.items():
        first = entries.get(target)
        if first is None:
            entries[name] = {"type": "hard link to nothing", "link": target}
            continue
        first["group"] = sorted(set(first.get("group", [target]) + [name]))
        entries[name] = first
    return entries


def clean(name):
    return "/" + name.removeprefix("./").strip("/") if name not in (".", "./") else "/"


def describe(layer, member):
    kinds = {
        tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink",
        tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device", tarfile.FIFOTYPE: "fifo",
    }
    entry = {
        "type": kinds.get(member.type, repr(member.type)),
        "mode": oct(member.mode & 0o7777),
        "owner": f"{member.uid}:{member.gid}",
        "mtime": int(member.mtime),
    }
    if member.issym():
        entry["link"] = member.linkname
    if member.isreg():
        content = layer.extractfile(member).read()
        entry["size"] = len(content)
        entry["content"] = hashlib.sha256(content).hexdigest()
        entry["text"] = content[:200].decode(errors="replace")
    if member.ischr() or member.isblk():
        entry["device"] = f"{member.devmajor}:{member.devminor}"
    attributes = {
        key.removeprefix("SCHILY.xattr."): value.encode(errors="surrogateescape").hex()
        for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")
    }
    if attributes:
        entry["xattrs"] = attributes
    return entry


def merged(layers):
    """The root that the layers give, one over the other."""
    root = {}
    for layer in layers:
        for path in layer:
            parent, _, name = path.rpartition("/")
            if name == OPAQUE:
                remove_below(root, parent)
            elif name.startswith(WHITEOUT):
                hidden = parent + "/" + name.removeprefix(WHITEOUT)
                root.pop(hidden, None)
                remove_below(root, hidden)
        for path, entry in layer.items():
            if path.rpartition("/")[2].startswith(WHITEOUT):
                continue
            if path in root and entry["type"] != "directory":
                remove_below(root, path)
            root[path] = entry
    return root


def remove_below(root, parent):
    for path in [path for path in root if path.startswith(parent + "/")]:
        del root[path]
