"""Write CPython's Python/frozen.c anew, with every module that waitfor can reach.

    python freeze.py BLOB >frozen.c

The marshalled code goes to BLOB, the modules' names and sizes to BLOB.list.
"""

import marshal
import sys
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType

MAIN = b"""
import sys
sys.meta_path.pop()  # PathFinder: no module ever comes from a disk, whatever lies beside the file
from waitfor.__main__ import main
raise SystemExit(main())
"""

# What the interpreter must have before it can import, and the names under which it looks.
BOOTSTRAP = {
    "importlib._bootstrap": "_frozen_importlib",
    "importlib._bootstrap_external": "_frozen_importlib_external",
}

HERE = Path(__file__).parent


def names(file):
    """The names in a file, in which a line may be a comment."""
    lines = (HERE / file).read_text().splitlines()
    return [name for line in lines if line[:1] != "#" for name in line.split()]


BY_NAME, UNUSED = names("modules.by-name"), names("modules.unused")
INSTEAD = {file.stem: file for file in HERE.glob("instead/*.py")}


def trace():
    """Name, file and packageness of each module."""
    finder = ModuleFinder(excludes=[*UNUSED, *INSTEAD])
    for name in ["waitfor.__main__", *BY_NAME, *BOOTSTRAP]:
        finder.import_hook(name.removesuffix(".*"), None, ["*"] if name.endswith("*") else None)
    for name, module in finder.modules.items():
        if module.__file__:
            yield name, Path(module.__file__), bool(module.__path__)
    for name, file in INSTEAD.items():
        yield name, file, False


def slim(code, ours):
    """CODE with a smaller table of lines: no columns, only OURS with more than the first line."""
    table, line = bytearray(), code.co_firstlineno
    for start, end, now in code.co_lines() if ours else [(0, len(code.co_code), line)]:
        step, line = (now or line) - line, now or line
        for at in range(
            start, end, 16
        ):  # an entry is for 8 code units at most: Objects/locations.md
            table.append(0xE8 | (min(16, end - at) // 2 - 1))
            rest = step << 1 if step >= 0 else -step << 1 | 1
            while rest > 63:
                table.append(rest & 63 | 64)
                rest >>= 6
            table.append(rest)
            step = 0
    inner = (
        slim(const, ours) if isinstance(const, CodeType) else const for const in code.co_consts
    )
    return code.replace(co_linetable=bytes(table), co_consts=tuple(inner))


def freeze(name, source):
    """The marshalled code. Of the docstrings only waitfor's own stay: they are its help."""
    ours = name.partition(".")[0] == "waitfor"
    code = compile(source, f"<frozen {name}>", "exec", dont_inherit=True, optimize=1 if ours else 2)
    return marshal.dumps(slim(code, ours))


def main(blob):
    frozen = [("__main__", freeze("__main__", MAIN), False)]
    frozen += [
        (name, freeze(name, file.read_bytes()), package) for name, file, package in sorted(trace())
    ]
    Path(blob).write_bytes(b"".join(code for _, code, _ in frozen))
    Path(blob + ".list").write_text("".join(f"{name} {len(code)}\n" for name, code, _ in frozen))

    tables = {"bootstrap": [], "modules": []}
    start = 0
    for name, code, package in frozen:
        table = tables["bootstrap" if name in BOOTSTRAP else "modules"]
        table.append(
            f'    {{"{BOOTSTRAP.get(name, name)}", blob + {start}, {len(code)}, {int(package)}}},'
        )
        start += len(code)

    print('#include "Python.h"\n#include "pycore_import.h"\n')
    print(f'__asm__(".section .rodata\\nblob: .incbin \\"{blob}\\"\\n.previous");')
    print("extern const unsigned char blob[];\n")
    for label, rows in tables.items():
        print(f"static const struct _frozen {label}[] = {{", *rows, "    {0}\n};", sep="\n")
    print("static const struct _frozen none[] = {{0}};")
    print("static const struct _module_alias aliases[] = {")
    print(
        *(f'    {{"{name}", "{module}"}},' for module, name in BOOTSTRAP.items()),
        "    {0}\n};",
        sep="\n",
    )
    print("const struct _frozen *_PyImport_FrozenBootstrap = bootstrap;")
    print("const struct _frozen *_PyImport_FrozenStdlib = none;")
    print("const struct _frozen *_PyImport_FrozenTest = none;")
    print("const struct _frozen *PyImport_FrozenModules = modules;")
    print("const struct _module_alias *_PyImport_FrozenAliases = aliases;")


main(*sys.argv[1:])
