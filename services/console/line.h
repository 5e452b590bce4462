/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.h - the line that is being typed at Bulkhead's own prompt
 */
#ifndef CONSOLE_LINE_H
#define CONSOLE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "fifo.h"

#define LINE_BYTES 256u /* with the final 0; bh.LineReply.line */

enum line_event {
    LINE_MORE,      /* not yet */
    LINE_DONE,      /* editor->text is a line */
    LINE_CANCELLED, /* Ctrl-C: forget it, show the prompt again */
    LINE_EOF,       /* Ctrl-D on an empty line */
};

struct line_editor {
    char text[LINE_BYTES];
    uint32_t count;     /* bytes in text, always whole characters */
    uint8_t partial[4]; /* a UTF-8 character of which more is to come */
    uint32_t partial_count;
    uint32_t partial_wanted;
    uint8_t escape; /* inside an escape sequence: 0 no, 1 after ESC, 2 after ESC [ */
    bool after_cr;  /* the next \n belongs to it */
};

void line_clear(struct line_editor *editor);

/* One typed byte.  What the person should see of it goes to `echo` as far as it has room. */
enum line_event line_feed(struct line_editor *editor, uint8_t byte, struct fifo *echo);

#endif
