"""Add a key for secrets to this machine's key file: ``python -m local.secret_keys``.

A running server seals with it from the next secret on. Then have the old ones sealed anew:
``npx convex run keys:reseal`` (docs/geoflow/credentials.md). On AWS, KMS does all of this.
"""

import os
import sys

from chalicelib.adapters.key_file import key_file
from chalicelib.config import BadSetting, from_environment
from chalicelib.engine.errors import SecretsUnavailable


def main() -> int:
    """Add a key, print its name, and return the exit status."""
    try:
        name = key_file(from_environment(os.environ).directory).add()
    except (BadSetting, SecretsUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Secrets are sealed with key {name} from now on.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
