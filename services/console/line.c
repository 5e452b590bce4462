/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.c - the line that is being typed at Bulkhead's own prompt
 *
 * Printable ASCII and well-formed UTF-8 are taken; backspace, Ctrl-U, Ctrl-C, Ctrl-D and the end of line do
 * what a terminal's line discipline does; cursor keys and everything else that cannot be meant are swallowed.
 *
 * Always true:  text[count] is 0, and text holds whole well-formed characters only.
 */
#include "line.h"

#include <string.h>

enum {
    KEY_CTRL_C = 0x03,
    KEY_CTRL_D = 0x04,
    KEY_BACKSPACE = 0x08,
    KEY_NEWLINE = 0x0a,
    KEY_RETURN = 0x0d,
    KEY_CTRL_U = 0x15,
    KEY_ESCAPE = 0x1b,
    KEY_DELETE = 0x7f,
};

static void echo_text(struct fifo *echo, const char *text)
{
    (void)fifo_put(echo, (const uint8_t *)text, (uint32_t)strlen(text));
}

void line_clear(struct line_editor *editor)
{
    bool after_cr = editor->after_cr;

    memset(editor, 0, sizeof *editor);
    editor->after_cr = after_cr;
}

/* Remove the last character, which may be several bytes. */
static void line_erase(struct line_editor *editor, struct fifo *echo)
{
    if (editor->count == 0)
        return;
    do
        editor->count--;
    while (editor->count > 0 && ((uint8_t)editor->text[editor->count] & 0xc0) == 0x80);
    editor->text[editor->count] = 0;
    echo_text(echo, "\b \b");
}

static void line_append(struct line_editor *editor, const uint8_t *bytes, uint32_t count, struct fifo *echo)
{
    if (count > LINE_BYTES - 1 - editor->count)
        return; /* a full line takes nothing more; the person sees that by the missing echo */
    memcpy(editor->text + editor->count, bytes, count);
    editor->count += count;
    editor->text[editor->count] = 0;
    (void)fifo_put(echo, bytes, count);
}

/* How many bytes a character has that begins with `byte`; 0 for what cannot begin one (Unicode 15, table
 * 3-7). */
static uint32_t utf8_length(uint8_t byte)
{
    if (byte >= 0xc2 && byte <= 0xdf)
        return 2;
    if (byte >= 0xe0 && byte <= 0xef)
        return 3;
    if (byte >= 0xf0 && byte <= 0xf4)
        return 4;
    return 0;
}

/* The second byte excludes overlong forms, surrogates, what is past U+10FFFF, and the C1 controls. */
static bool utf8_second_is_good(uint8_t first, uint8_t second)
{
    uint8_t least = 0x80, most = 0xbf;

    if (first == 0xc2 || first == 0xe0)
        least = 0xa0;
    if (first == 0xed)
        most = 0x9f;
    if (first == 0xf0)
        least = 0x90;
    if (first == 0xf4)
        most = 0x8f;
    return second >= least && second <= most;
}

/* A byte from 0x80 up: part of a character, or nothing. */
static void line_feed_utf8(struct line_editor *editor, uint8_t byte, struct fifo *echo)
{
    if (editor->partial_count == 0) {
        editor->partial_wanted = utf8_length(byte);
        if (editor->partial_wanted == 0)
            return;
    } else if (editor->partial_count == 1 ? !utf8_second_is_good(editor->partial[0], byte)
                                          : (byte & 0xc0) != 0x80) {
        editor->partial_count = 0;
        return;
    }
    editor->partial[editor->partial_count++] = byte;
    if (editor->partial_count < editor->partial_wanted)
        return;
    line_append(editor, editor->partial, editor->partial_count, echo);
    editor->partial_count = 0;
}

/* ESC, then either one byte, or [ and everything up to a letter or ~ (ECMA-48, 5.4). */
static void line_feed_escape(struct line_editor *editor, uint8_t byte)
{
    if (editor->escape == 1)
        editor->escape = byte == '[' || byte == 'O' ? 2 : 0;
    else if (byte >= 0x40 && byte <= 0x7e)
        editor->escape = 0;
}

static enum line_event line_feed_control(struct line_editor *editor, uint8_t byte, struct fifo *echo)
{
    switch (byte) {
    case KEY_RETURN:
    case KEY_NEWLINE:
        echo_text(echo, "\r\n");
        return LINE_DONE;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        line_erase(editor, echo);
        return LINE_MORE;
    case KEY_CTRL_U:
        while (editor->count > 0)
            line_erase(editor, echo);
        return LINE_MORE;
    case KEY_CTRL_C:
        echo_text(echo, "^C\r\n");
        line_clear(editor);
        return LINE_CANCELLED;
    case KEY_CTRL_D:
        if (editor->count > 0)
            return LINE_MORE;
        echo_text(echo, "\r\n");
        return LINE_EOF;
    case KEY_ESCAPE:
        editor->escape = 1;
        return LINE_MORE;
    default:
        return LINE_MORE;
    }
}

enum line_event line_feed(struct line_editor *editor, uint8_t byte, struct fifo *echo)
{
    bool ends_crlf = editor->after_cr && byte == KEY_NEWLINE;

    editor->after_cr = byte == KEY_RETURN;
    if (ends_crlf)
        return LINE_MORE;
    if (byte >= 0x80) {
        line_feed_utf8(editor, byte, echo);
        return LINE_MORE;
    }
    editor->partial_count = 0; /* an ASCII byte ends whatever character was begun */
    if (byte < 0x20 || byte == KEY_DELETE) {
        editor->escape = 0; /* no key sends a control character inside its sequence: the person went on */
        return line_feed_control(editor, byte, echo);
    }
    if (editor->escape)
        line_feed_escape(editor, byte);
    else
        line_append(editor, &byte, 1, echo);
    return LINE_MORE;
}
