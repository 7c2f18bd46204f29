"""Slurm's own daemons on loopback: two nodes of this machine, with GPUs that are files.

The nodes are called as this machine is and `localhost`, because a job's script takes a node's name
for an address.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol")
CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16 Gres=gpu:4
NodeName=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16 Gres=gpu:4
PartitionName=all Nodes=ALL Default=YES State=UP
"""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Starts it; gives the variables that its commands need. Skips where it cannot run."""
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here (apt-get install slurmctld slurmd)")
    host = socket.gethostname().split(".")[0]
    if os.geteuid() or host == "localhost" or not _is_here(host):
        pytest.skip("Slurm's daemons need root, and a name of this machine that leads to itself")
    file = folder / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=host, folder=folder, ports=free_ports(3)))
    for number in range(4):
        (folder / f"gpu{number}").touch()
    (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={folder}/gpu[0-3]\n")
    daemons = []
    try:
        for name in (host, "localhost"):
            (folder / name).mkdir()
        for program in (
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", host],
            ["slurmd", "-D", "-N", "localhost"],
        ):
            with open(folder / "daemons.txt", "ab") as said:
                command = [*program, "-f", str(file)]
                daemons.append(subprocess.Popen(command, stdout=said, stderr=said))
        variables = {"SLURM_CONF": str(file)}
        _wait_for_nodes(folder, variables)
        yield variables
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)


def run_job(script: Path, said: Path, environment: dict[str, str]) -> str:
    """The state that a job ends in; `sbatch --wait` looks every ten seconds only."""
    command = ["sbatch", "--parsable", f"--output={said}", str(script)]
    job = subprocess.check_output(command, env=environment, text=True).strip()
    until = time.monotonic() + 300
    while time.monotonic() < until:
        shown = subprocess.check_output(
            ["scontrol", "--oneliner", "show", "job", job], env=environment, text=True
        )
        state = shown.partition("JobState=")[2].split()[0]
        if state not in ("PENDING", "RUNNING", "COMPLETING"):
            return state
        time.sleep(0.2)
    subprocess.run(["scancel", "--full", job], env=environment, check=False)
    time.sleep(3)  # KillWait and one more: what the job has started is to end before Slurm does
    return "too long"


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _is_here(host: str) -> bool:
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def _wait_for_nodes(folder: Path, variables: dict[str, str]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        done = subprocess.run(
            ["sinfo", "--noheader", "--states=idle", "--format=%D"],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == "2":
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text() for path in folder.glob("*.log"))
    raise AssertionError(f"Slurm's nodes did not come up:\n{logs}")
