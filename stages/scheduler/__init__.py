"""Reproduce several stages at once: what `python -m stages.parallel` is made of.

    plan.py      which stages have to be asked, in which order
    run.py       hands each to a worker as soon as what it waits for is done
    pool.py      the workers, as the scheduler sees them: pipes, GPUs, output
    worker.py    a process that keeps one `dvc.repo.Repo` and reproduces one stage after another
    lock.py      one scheduler at a time, and what killed ones left
    display.py   lines and one live line for every running stage

DVC's lock, rwlock and run cache stay in charge, so that `dvc` may run beside it.
"""
