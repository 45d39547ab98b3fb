"""In the place of importlib.metadata: nothing is installed here that could be asked about.

dnspython asks which of its optional packages are there; the true module costs that 15 ms, 0.1 MB.
"""


class PackageNotFoundError(ModuleNotFoundError):
    pass


def version(name):
    raise PackageNotFoundError(name)
