"""A worker: SUB, PULL and PUSH connect. Each task is answered by a result.

The result of {"type": "Task", "task_id": ..., "payload": text} is the text in upper case:
{"type": "Result", "task_id": ..., "worker": name, "result": ...}. A number in "seq" is passed on.
"""

import roles

owner, _, puller, pusher = roles.service(__doc__, roles.Subscriber, roles.Puller, roles.Pusher)


def work(task):
    result = {
        "type": "Result",
        "task_id": task.get("task_id"),
        "worker": pusher.name,
        "result": task.get("payload", "").upper(),
    }
    if "seq" in task:
        result["seq"] = task["seq"]
    pusher.push_later(result)


puller.handle = work
owner.run()
