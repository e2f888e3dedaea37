#!/bin/sh
# Stands in for SteamCMD: notes its arguments in the install directory and does what the plan there says.
directory=$4
echo "$*" >> "$directory/calls"
call=$(wc -l < "$directory/calls")
. "$directory/plan"
