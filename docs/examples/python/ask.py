"""Asks a Tollgate node with nothing but its published .proto files.

    pip install -r requirements.txt
    python ask.py --proto ../../../proto --target localhost:8081 --limit demo --value client=alice

It checks once, checks again with one idempotency key twice, reserves for a cost that is known only
afterwards, commits the real one, and goes on until it is denied.
"""

import argparse
import sys
import uuid

import grpc

# For the whole call; a node that is away is told within this time.
TIMEOUT_SECONDS = 5


def main() -> int:
    options = parse_options()
    # Compiled when the program starts; `python -m grpc_tools.protoc` makes files of it instead.
    sys.path.append(options.proto)
    messages, services = grpc.protos_and_services("tollgate/v1/decisions.proto")
    values = dict(value.split("=", 1) for value in options.value)
    subject = messages.Subject(limit=messages.NamedLimit(name=options.limit, values=values))
    with grpc.insecure_channel(options.target) as channel:
        try:
            ask(messages, services.DecisionsStub(channel), subject)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


def ask(messages, tollgate, subject) -> None:
    def check(word: str, key: str = "") -> bool:
        request = messages.CheckRequest(subject=subject, idempotency_key=key)
        answer = tollgate.Check(request, timeout=TIMEOUT_SECONDS)
        show(word, answer)
        return answer.verdict == messages.VERDICT_ALLOWED

    def show(word: str, answer) -> None:
        # VERDICT_UNSPECIFIED, which a broken answer would have, is not an allowance.
        if answer.verdict == messages.VERDICT_ALLOWED:
            print(f"{word}: allowed, {answer.statuses[0].remaining} left")
        else:
            print(f"{word}: denied, again in {answer.retry_after.ToTimedelta().total_seconds():.0f} s")

    check("check")
    key = str(uuid.uuid4())
    check("check with a key", key)
    check("the same again", key)

    reserve = messages.ReserveRequest(subject=subject, hits=3)
    reserved = tollgate.Reserve(reserve, timeout=TIMEOUT_SECONDS)
    show("reserve 3", reserved.decision)
    if reserved.reservation:
        commit = messages.CommitRequest(reservation=reserved.reservation, hits=1)
        committed = tollgate.Commit(commit, timeout=TIMEOUT_SECONDS)
        print(f"commit 1: {committed.charged} spent, {committed.statuses[0].remaining} left")

    while check("check"):
        pass


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Asks a Tollgate node.")
    parser.add_argument("--proto", default="../../../proto", help="the folder that holds tollgate/v1")
    parser.add_argument("--target", default="localhost:8081", help="the node's decide listener")
    parser.add_argument("--limit", default="demo", help="a limit of its tollgate.yaml")
    parser.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a value for each key that the limit counts by",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
