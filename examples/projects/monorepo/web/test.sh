#!/bin/sh
echo web is fine
