"""The official client libraries against the gateway of a real factory."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))
from direct import run_clients
from factory import Factory


def main():
    with Factory() as factory:
        factory.set_up()
        # The cases cancel, and ask for more than 128 tokens of context.
        run = factory.run_pipeline(context=128)
        if run["status"] != "succeeded":
            sys.exit(f"the pipeline {run['status']}: {run}")
        key = factory.key("clients")["secret"]
        passed = run_clients(factory.model_url, key, "first-factory", gateway=True)
        if not passed:
            print("\n".join("# " + line for line in factory.log().splitlines()[-40:]))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
