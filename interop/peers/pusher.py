"""A pusher, as the deployed Python services have it. See roles.Pusher."""

import roles

owner, _ = roles.service(__doc__, roles.Pusher)
owner.run()
