set -eu
[ "$(printf 'one two\nthree\n' | ./wordcount)" = "2 lines, 3 words, 14 bytes" ]
[ "$(printf '' | ./wordcount)" = "0 lines, 0 words, 0 bytes" ]
echo "all checks passed"
