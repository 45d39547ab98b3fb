/* What /waitfor does before its first line of Python; replaces CPython's Programs/python.c. */
#include <Python.h>
#include <signal.h>
#include <unistd.h>

static void leave(int number) { _exit(128 + number); }

int main(int argc, char **argv)
{
    /* As process 1 a signal without a handler is lost, also in the 10 ms until Python has its own. */
    struct sigaction found, act = {.sa_handler = leave};
    sigaction(SIGTERM, &act, NULL);
    if (sigaction(SIGINT, NULL, &found) == 0 && found.sa_handler != SIG_IGN)
        sigaction(SIGINT, &act, NULL);

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
