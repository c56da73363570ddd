"""Image files ⇄ samples: a walk over a format's structure first, then a decoder. The only home of ISA-L."""
