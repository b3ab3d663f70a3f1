"""In this process: threads, processes, one thread, or a pool of the user's."""
