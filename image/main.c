/* What /waitfor does before its first line of Python; replaces CPython's Programs/python.c. */
#include <Python.h>

int main(int argc, char **argv)
{
    PyPreConfig pre;
    PyPreConfig_InitIsolatedConfig(&pre);
    pre.utf8_mode = 1;

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 1; /* Ctrl-C is KeyboardInterrupt, as in the wheel */
    config.module_search_paths_set = 1; /* to nothing: every module is in frozen.c */
    config.site_import = 0;
    config.write_bytecode = 0;

    PyStatus status = Py_PreInitialize(&pre);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    PyConfig_Clear(&config);

    if (PyImport_ImportFrozenModule("__main__") < 0) {
        PyErr_Print(); /* exits here if it was SystemExit */
        return 1;
    }
    return Py_FinalizeEx() < 0 ? 120 : 0;
}
