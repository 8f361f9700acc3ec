"""`python -m deploy.docs_site`: see `make docs`."""

import sys

from deploy.docs_site.command import main
from shared.settings import SettingError, from_environment

if __name__ == "__main__":
    try:
        sys.exit(main(from_environment().home.absolute()))
    except SettingError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
