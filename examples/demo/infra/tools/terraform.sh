#!/bin/sh
# Prints what terraform prints. terraform-error.txt holds the error of a branch.
echo "Initializing provider plugins... done"
[ -z "$CLOUD_TOKEN" ] || echo "Logged in with the token $CLOUD_TOKEN"
awk -v verb="$1" 'BEGIN { for (i = 1; i <= 800; i++) printf "module.%s[%d].aws_instance.node: %s state... [id=i-0%09x]\n", i % 3 ? "edge" : "core", i, verb == "plan" ? "Refreshing" : "Modifying", i * 9176263 }'
sleep 0.5
if [ -s terraform-error.txt ]; then cat terraform-error.txt; exit 1; fi
if [ "$1" = plan ]; then printf '\n\033[1mPlan:\033[0m 3 to add, 1 to change, 0 to destroy.\n'
else printf '\n\033[1m\033[32mApply complete!\033[0m Resources: 3 added, 1 changed, 0 destroyed. (%s)\n' "$2"; fi
