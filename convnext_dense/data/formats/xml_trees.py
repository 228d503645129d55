"""Read small XML files as a whole."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from ...errors import UserError
from .xml_files import FORBIDDEN

DECLARED = re.compile(rb'\s*<\?xml[^>]*encoding\s*=\s*["\']([\w.-]+)["\'][^>]*\?>')


def parse_xml(content: bytes, path: str | Path) -> Element:
    """Parse XML without document types and entities, with which a small file could fill the memory or read others.

    Args:
        content: the file.
        path: its path, for messages.

    Raises:
        UserError: if it is not such XML.
    """
    try:
        try:
            return ElementTree.fromstring(content, forbid_dtd=True)
        except (ValueError, LookupError) as error:  # encodings of several bytes, such as GBK
            declared = DECLARED.match(content)
            if isinstance(error, DefusedXmlException) or declared is None:
                raise
            text = codecs.decode(content[declared.end() :], declared[1].decode())
            return ElementTree.fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise UserError(f'{path} {FORBIDDEN}') from None
    except ParseError as error:
        raise UserError(f'{path} is not XML ({error}): get or write it again') from None
    except (ValueError, LookupError, RecursionError):
        raise UserError(f'{path} is not XML that can be read: save it in UTF-8') from None
