"""A command that runs as a job of a HyperQueue cluster: what stages/submit.py is made of.

    stages/submit.py            the host of DVC: asks, shows the output, passes on signals and the exit status
      client.py                   a process beside it that talks to the server
      job.py                      the folder by which both sides know of each other, on a disk that all nodes share
    agent.py                    the node: runs the command, and stops it when it is no longer wanted there

Nothing here can change a result, so no stage declares it.
"""
