/* Counts the lines, words and bytes of its standard input. */
#include <ctype.h>
#include <stdio.h>

int main(void) {
    unsigned long lines = 0, words = 0, bytes = 0;
    int character, in_word = 0;
    while ((character = getchar()) != EOF) {
        bytes++;
        if (character == '\n') lines++;
        if (isspace(character)) {
            in_word = 0;
        } else if (!in_word) {
            in_word = 1;
            words++;
        }
    }
    printf("%lu lines, %lu words, %lu bytes\n", lines, words, bytes);
    return ferror(stdin) ? 1 : 0;
}
