"""Submit a job to a HyperQueue server and wait for it, in a process of its own.

HyperQueue's client holds Python's lock while it waits for the server, for ever if that hangs: here nobody minds. The
description of the job comes by standard input; each event is a line of JSON on standard output:

    {"job": 7}                   submitted
    {"done": null}               ended well
    {"done": "why"}              did not
    {"error": "why"}             there is no server, or no more
"""

import json
import os
import sys
from typing import Any


def main(description: dict[str, Any]) -> None:
    """Submit one task, wait until it has ended, and say how."""
    from hyperqueue import Client
    from hyperqueue import Job as Submission
    from hyperqueue.ffi.protocol import ResourceRequest

    parent = os.getppid()

    def wait(_status: object) -> None:
        if os.getppid() != parent:
            sys.exit()  # nobody reads this any more

    client = Client(description["server"])
    submission = Submission(name=description["name"])
    submission.program(
        description["command"],
        env=description["environment"],
        cwd=description["folder"],
        stdout=description["log"],
        stderr=description["log"],
        resources=ResourceRequest(cpus=description["resources"].pop("cpus"), resources=description["resources"]),
    )
    job = client.submit(submission)
    say(job=job.id)
    failed = client.connection.wait_for_jobs([job.id], wait)
    tasks = client.connection.get_failed_tasks(failed)[job.id] if failed else {}
    why = next((task.error for task in tasks.values()), "it was canceled")
    say(done=why if failed else None)


def say(**event: object) -> None:
    """Print one line."""
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    try:
        main(json.load(sys.stdin))
    except Exception as error:  # RuntimeError of all kinds, with a backtrace of Rust's behind the first line
        say(error=str(error).partition("\n")[0])
