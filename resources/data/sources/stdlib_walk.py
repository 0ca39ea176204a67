"""Walks the standard library and prints its documentation as JSON lines. Run as a program, not imported.

It imports all of the standard library, so it runs in a process of its own, and uses nothing else: with ``-I``
and ``-S`` no other package can put itself in place of a standard module.
"""

import contextlib
import functools
import importlib
import inspect
import json
import pkgutil
import sys
import types
import warnings
from collections.abc import Iterator

# antigravity opens a browser and this prints; the next four are tests and tools, not a library; tkinter,
# turtle and distutils are missing from many installations, and the corpus should not depend on the machine.
# The modules posix and nt are documented as os.
LEFT_OUT = {"antigravity", "this", "test", "tests", "idlelib", "lib2to3", "turtledemo"}
LEFT_OUT |= {"tkinter", "turtle", "distutils", "posix", "nt"}
PROPERTIES = (
    property,
    functools.cached_property,
    types.DynamicClassAttribute,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
METHODS = (staticmethod, classmethod, functools.partialmethod)


def modules() -> Iterator[types.ModuleType]:
    """The public modules that can be imported on this platform, by name."""
    for name in sorted(sys.stdlib_module_names):
        yield from _with_submodules(name)


def documented(module: types.ModuleType) -> Iterator[tuple[str, str, str]]:
    """Qualified name, kind and documentation of the public objects of a module.

    The inherited methods of a class count under that class, with the documentation that they inherit.
    """
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or not _belongs(name, value, module):
            continue
        qualified = f"{module.__name__}.{name}"
        yield qualified, "class" if inspect.isclass(value) else "function", inspect.getdoc(value) or ""
        if inspect.isclass(value):
            for attribute, member in inspect.getmembers_static(value):
                kind = _kind(member)
                if kind and not attribute.startswith("_"):
                    yield f"{qualified}.{attribute}", kind, inspect.getdoc(member) or ""


def _with_submodules(name: str) -> Iterator[types.ModuleType]:
    last = name.rpartition(".")[2]
    if last.startswith("_") or last in LEFT_OUT:
        return
    try:
        # Old modules warn when imported, and some print; standard output is for the result.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore", DeprecationWarning)
            module = importlib.import_module(name)
    except ImportError:
        return  # a module of another platform, or one that this Python was built without
    yield module
    for found in sorted(pkgutil.iter_modules(getattr(module, "__path__", [])), key=lambda each: each.name):
        yield from _with_submodules(f"{name}.{found.name}")


def _belongs(name: str, value: object, module: types.ModuleType) -> bool:
    """Whether a module is the home of its attribute: it defines it, or publishes it from a private module."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return False
    home = getattr(value, "__module__", None) or ""
    published = name in getattr(module, "__all__", [name])
    return home == module.__name__ or (published and (home.startswith("_") or home in ("posix", "nt")))


def _kind(member: object) -> str | None:
    if isinstance(member, PROPERTIES):
        return "property"
    return "method" if inspect.isroutine(member) or isinstance(member, METHODS) else None


if __name__ == "__main__":
    for module in modules():
        for qualified, kind, text in documented(module):
            if text.strip():
                print(json.dumps([module.__name__, qualified, kind, inspect.cleandoc(text)]))
