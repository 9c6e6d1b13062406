#!/bin/sh
# Prints what `uv sync` and `ruff check` print.
awk 'BEGIN {
	split("fastapi pydantic sqlalchemy alembic redis httpx uvicorn orjson structlog tenacity boto3 pytest hypothesis ruff mypy", name, " ")
	srand(5)
	for (i = 1; i <= 700; i++) printf "Downloading https://pypi.acme.example/packages/%s-%d.%d.%d-py3-none-any.whl (%d.%d KiB)\n", name[1 + i % 15] (i > 15 ? "-ext-" i : ""), rand() * 5, rand() * 20, rand() * 9, 20 + rand() * 800, rand() * 9
}'
echo "Installed 700 packages in 214ms"
echo "ruff 0.14.1"
sleep 0.3
echo "All checks passed!"
