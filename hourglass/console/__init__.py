"""What people see while a stage runs. Nothing here can change a result, so no stage of dvc.yaml declares it."""
