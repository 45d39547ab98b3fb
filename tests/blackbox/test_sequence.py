"""The main job, as users see it."""

from support.servers import TcpServer, free_port


def test_ready_at_once(waitfor):
    """A port that is open is ready at the first look, and one line says so."""
    with TcpServer() as server:
        run = waitfor(f"tcp://127.0.0.1:{server.port}")
    assert run.code == 0
    assert run.out == ""
    assert run.lines == [
        f"waitfor: tcp://127.0.0.1:{server.port} is ready:"
        f" connected to 127.0.0.1:{server.port} (0.0s, 1 look)"
    ]


def test_deadline(waitfor):
    """A port that stays closed ends with 124 at the deadline, with the reason."""
    port = free_port()
    run = waitfor("-t", "300ms", f"127.0.0.1:{port}")
    assert run.code == 124
    assert "connection refused by" in run.lines[-1]
