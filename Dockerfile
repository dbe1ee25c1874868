# The environment of constraints.txt for a CPU: what macOS and Windows need, and what any machine with
# Docker can use. Programs are held in namespaces, which Docker's own profiles forbid:
#
#   docker build -t domino .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD:/out" \
#     --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#     --security-opt systempaths=unconfined \
#     domino benchmarks.run --preset smoke --output /out/runs
FROM python:3.11-slim
WORKDIR /domino
COPY . .
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
      -c constraints.txt -e .
RUN pip install --no-cache-dir --no-deps --target .official -r requirements/official.txt
RUN useradd --create-home domino
USER domino
ENTRYPOINT ["python", "-m"]
CMD ["benchmarks.run", "--help"]
