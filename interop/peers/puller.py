"""A puller, as the deployed Python services have it. See roles.Puller."""

import roles

owner, _ = roles.service(__doc__, roles.Puller)
owner.run()
