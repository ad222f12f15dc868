"""Feed readers with damaged files: each must end in the right result or in one clear line, soon and in little memory."""
