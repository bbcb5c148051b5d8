"""A publisher, as the deployed Python services have it. See roles.Publisher."""

import roles

owner, _ = roles.service(__doc__, roles.Publisher)
owner.run()
