"""The shell: prompt, contexts, commands, completion, help, and the one way out to the terminal."""
