"""LiveCodeBench's two tasks that the paper uses: code generation and code execution."""
