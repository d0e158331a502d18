COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate pyproject.toml

lock:
	$(COMPILE) --extra export --group dev -o requirements/dev.txt
	$(COMPILE) --extra export -c requirements/dev.txt -o requirements/export.txt
	$(COMPILE) -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE:pyproject.toml=) --group build -c requirements/dev.txt -o requirements/build.txt
